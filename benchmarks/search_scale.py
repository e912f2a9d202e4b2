"""Search at scale: how long stores take to be built and asked, and what their vector indexes miss.

    python -m benchmarks.search_scale --passages 1000000 --dimension 384 --folder DIR [--postgres CONNECTION]

Vectors are synthetic, the same for all; recall is against comparing each query with every vector. One
query at a time, as a person asks. Peers that are not installed are left out.
"""

import argparse
import importlib.util
import shutil
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks import vector_stores
from benchmarks.synthetic import Synthetic, nearest, write_vectors
from benchmarks.vector_stores import Ask
from quiver.results import Floats
from quiver.search.lance_store import LanceStore

WANTED = 10
WARM_QUERIES = 20
CANDIDATES = 100


def contestants(
    vectors: Floats, synthetic: Synthetic, folder: Path, postgres: str | None
) -> Iterator[tuple[str, Callable[[], Ask]]]:
    """Names, and how each builds its index."""
    yield "Quiver's store", lambda: vector_stores.quiver(vectors, synthetic, folder / "quiver")[1]
    yield "LanceDB directly", partial(vector_stores.lancedb_direct, vectors, folder / "lancedb")
    if importlib.util.find_spec("faiss"):
        yield "FAISS, partitions, in memory", partial(vector_stores.faiss_partitions, vectors)
        yield "FAISS, HNSW, in memory", partial(vector_stores.faiss_graph, vectors)
    if postgres:
        yield "pgvector directly, HNSW", partial(vector_stores.pgvector_direct, vectors, postgres)


def timed(ask: Ask, queries: Floats) -> tuple[list[set[int]], list[float]]:
    """What each query finds, and the milliseconds it takes, after some to warm up."""
    for query in queries[:WARM_QUERIES]:
        ask(query, WANTED)
    found, milliseconds = [], []
    for query in queries:
        begun = time.perf_counter()
        found.append(ask(query, WANTED))
        milliseconds.append(1000 * (time.perf_counter() - begun))
    return found, milliseconds


def word_milliseconds(folder: Path, synthetic: Synthetic, count: int) -> list[float]:
    """The milliseconds that our store takes to find candidates by six words."""
    store = LanceStore(folder)
    took = []
    for _ in range(count):
        text = synthetic.text(6)
        begun = time.perf_counter()
        store.search_text(text, CANDIDATES)
        took.append(1000 * (time.perf_counter() - begun))
    return took


def main() -> None:
    """Build every store over the same vectors, one after the other, and ask it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--passages", type=int, default=1_000_000)
    parser.add_argument("--dimension", type=int, default=384)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--postgres", help="libpq's words for a database with pgvector")
    arguments = parser.parse_args()

    shutil.rmtree(arguments.folder, ignore_errors=True)
    arguments.folder.mkdir(parents=True)
    synthetic = Synthetic(arguments.dimension)
    vectors = write_vectors(
        synthetic, arguments.passages, arguments.dimension, arguments.folder / "vectors.npy"
    )
    queries = synthetic.vectors(arguments.queries)
    truth = nearest(vectors, queries, WANTED)
    table = Table("store", "built in", f"recall@{WANTED}", "p50", "p95")
    for name, build in contestants(vectors, synthetic, arguments.folder, arguments.postgres):
        begun = time.perf_counter()
        ask = build()
        built = time.perf_counter() - begun
        found, took = timed(ask, queries)
        recall = np.mean([len(a & b) / WANTED for a, b in zip(truth, found, strict=True)])
        p50, p95 = np.percentile(took, [50, 95])
        row = (name, f"{built:,.0f} s", f"{recall:.3f}", f"{p50:.1f} ms", f"{p95:.1f} ms")
        table.add_row(*row)
        print(", ".join(row), flush=True)
        del ask
    Console().print(table)
    words = word_milliseconds(arguments.folder / "quiver", synthetic, arguments.queries)
    print(f"by words, Quiver's store, {CANDIDATES} candidates: p50 {np.median(words):.1f} ms")


if __name__ == "__main__":
    main()

"""Search at scale: how long a store takes to be built and asked, and what its vector index misses.

    python -m benchmarks.search_scale --passages 1000000 --dimension 1024 --folder DIR

Vectors are synthetic: clusters of clusters on the sphere, as embeddings lie, and queries near them. Memory
holds one block of them at a time. Recall is against the store's own exact search.
"""

import argparse
import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from quiver.embedder import normalize
from quiver.models.fingerprint import Fingerprint
from quiver.results import Floats
from quiver.search.lance_store import LanceStore
from quiver.search.passages import Passage
from quiver.search.store import IndexedFile, IndexInfo

PASSAGES_A_FILE = 100
FILES_A_PUT = 100
TOPICS = 2000
WORDS = 20_000
WORDS_A_PASSAGE = 60


class Synthetic:
    """Vectors around topics, topics around themes; words by Zipf's law."""

    def __init__(self, dimension: int, seed: int = 0) -> None:
        self._random = np.random.default_rng(seed)
        themes = self._noise(40, dimension)
        chosen = self._random.integers(0, len(themes), TOPICS)
        self._topics = normalize(themes[chosen] + 1.2 * self._noise(TOPICS, dimension))
        self._vocabulary = np.asarray([f"word{number}" for number in range(WORDS)])

    def vectors(self, count: int) -> Floats:
        """Unit vectors [count, dimension]."""
        topics = self._topics[self._random.integers(0, TOPICS, count)]
        unit: Floats = normalize(topics + 0.9 * self._noise(count, topics.shape[1]))
        return unit

    def text(self) -> str:
        """A passage's words."""
        drawn = self._random.zipf(1.3, WORDS_A_PASSAGE) % WORDS
        return " ".join(self._vocabulary[drawn])

    def _noise(self, count: int, dimension: int) -> Floats:
        rows = self._random.standard_normal((count, dimension), dtype=np.float32)
        return rows / np.float32(np.sqrt(dimension))


def files(synthetic: Synthetic, passages: int) -> Iterator[list[IndexedFile]]:
    """All passages, as many files at a time as a batch holds."""
    made = 0
    while made < passages:
        block = []
        for _ in range(FILES_A_PUT):
            count = min(PASSAGES_A_FILE, passages - made)
            if count:
                block.append(file(synthetic, f"{made // PASSAGES_A_FILE:08}.txt", count))
                made += count
        yield block


def file(synthetic: Synthetic, path: str, count: int) -> IndexedFile:
    """A file of so many passages."""
    texts = [
        Passage(
            text=synthetic.text(),
            path=path,
            title="",
            headings=(),
            first_line=number,
            last_line=number,
            page=None,
            start=number,
        )
        for number in range(count)
    ]
    return IndexedFile(path=path, digest=path, passages=texts, vectors=synthetic.vectors(count))


def ask(store: LanceStore, queries: Floats, *, exact: bool) -> tuple[list[set[tuple[str, int]]], list[float]]:
    """The ten nearest of each query, and the milliseconds it took."""
    found, took = [], []
    for query in queries:
        begun = time.perf_counter()
        hits = store.search_vectors(query, 10, exact=exact)
        took.append(1000 * (time.perf_counter() - begun))
        found.append({(hit.passage.path, hit.number) for hit in hits})
    return found, took


def main() -> None:
    """Build a store of synthetic passages, and search it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--passages", type=int, default=1_000_000)
    parser.add_argument("--dimension", type=int, default=1024)
    parser.add_argument("--shortlist", type=int, help="values of the vectors that find candidates")
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--folder", type=Path, required=True)
    arguments = parser.parse_args()

    synthetic = Synthetic(arguments.dimension)
    shutil.rmtree(arguments.folder, ignore_errors=True)
    space = Fingerprint(
        weights="-",
        tokenizer="-",
        pooling="-",
        prompts="-",
        dimension=arguments.dimension,
        precision="float32",
    )
    about = IndexInfo(model=None, fingerprint=space, max_tokens=1, shortlist_dimension=arguments.shortlist)
    store = LanceStore.create(arguments.folder, about)
    begun = time.perf_counter()
    for block in files(synthetic, arguments.passages):
        store.put(block)
    put = time.perf_counter() - begun
    begun = time.perf_counter()
    store.optimize()
    built = time.perf_counter() - begun

    queries = synthetic.vectors(arguments.queries)
    ask(store, queries[:5], exact=False)
    truth, exact_ms = ask(store, queries, exact=True)
    found, ms = ask(store, queries, exact=False)
    words = []
    for _ in range(len(queries)):
        text = " ".join(synthetic.text().split()[:6])
        begun = time.perf_counter()
        store.search_text(text, 100)
        words.append(1000 * (time.perf_counter() - begun))
    recall = np.mean([len(a & b) / 10 for a, b in zip(truth, found, strict=True)])
    figures = {
        "passages": store.count(),
        "dimension": arguments.dimension,
        "shortlist": arguments.shortlist,
        "put seconds (with making the data)": round(put, 1),
        "index seconds": round(built, 1),
        "recall@10": round(float(recall), 4),
        "vectors p50 ms": round(float(np.median(ms)), 1),
        "vectors p95 ms": round(float(np.percentile(ms, 95)), 1),
        "exact p50 ms": round(float(np.median(exact_ms)), 1),
        "text p50 ms": round(float(np.median(words)), 1),
    }
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()

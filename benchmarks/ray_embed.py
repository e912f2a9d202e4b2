"""A Ray cluster on this machine beside one process: the same output, though a node dies, and how fast.

    python -m benchmarks.ray_embed --documents 200000 --folder DIR

Three runs over the same short documents with the built-in model: one process on all cores; a worker of one
core on each of two nodes; the same with a node killed in the middle and another one joining. Every row of the
second and the third run is compared with the first's.
"""

import argparse
import random
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from benchmarks.command import Report, new_parser, run, write_json
from quiver import Embedder
from quiver.cluster.connection import Workers
from quiver.cluster.embed import embed_files
from quiver.cluster.shards import source_of
from quiver.cluster.worker import EmbedSettings
from quiver.results import Floats

SETTINGS = EmbedSettings(name="mini", model={}, prompt={"prompt_name": "document"})
WORDS = 40
"""Most in a document."""


def main() -> int:
    """Run what was asked for, and compare."""
    options = _options()
    folder: Path = options.folder
    folder.mkdir(parents=True, exist_ok=True)
    corpus = folder / "corpus.txt"
    corpus.write_text("".join(f"{text}\n" for text in _documents(options.documents)))
    texts = corpus.read_text().splitlines()
    report = Report("Embedding on a Ray cluster", ["run", "rows/s", "of one process", "seconds"])
    if "bare" in options.runs:
        seconds, vectors = _bare(texts)
        np.save(folder / "bare.npy", vectors)
        (folder / "bare.seconds").write_text(str(seconds))
    bare = float((folder / "bare.seconds").read_text())
    _add(report, "one process, all cores", len(texts), bare, bare)
    for name, dies in (("workers", False), ("killed", True)):
        if name in options.runs:
            seconds = _on_ray(corpus, folder / name, options.part_rows, dies=dies)
            _add(report, f"2 workers on 2 nodes{', one killed' * dies}", len(texts), seconds, bare)
            report.facts[f"{name}: rows"] = _compared(folder / name, texts, np.load(folder / "bare.npy"))
    report.show()
    write_json(options.json, [report])
    return 0


def _add(report: Report, name: str, rows: int, seconds: float, bare: float) -> None:
    record = {"run": name, "rows_per_second": rows / seconds, "share": bare / seconds, "seconds": seconds}
    cells = [name, f"{rows / seconds:,.0f}", f"{bare / seconds:.3f}", f"{seconds:,.1f}"]
    report.add(cells, record)


def _options() -> argparse.Namespace:
    parser = new_parser(
        "ray_embed", "A Ray cluster beside one process.", "python -m benchmarks.ray_embed --folder /tmp/ray"
    )
    parser.add_argument("--documents", type=int, default=200_000)
    parser.add_argument("--part-rows", type=int, default=4096)
    parser.add_argument("--folder", type=Path, required=True, help="for the corpus and all output")
    parser.add_argument(
        "--runs", nargs="+", choices=["bare", "workers", "killed"], default=["bare", "workers", "killed"]
    )
    return parser.parse_args()


def _documents(count: int) -> Iterator[str]:
    """Short documents of many words, every one different."""
    chance = random.Random(0)
    words = (Path(__file__).parents[1] / "docs" / "decisions.md").read_text().split()
    for number in range(count):
        yield f"{number}: {' '.join(chance.choices(words, k=chance.randint(3, WORDS)))}"


def _bare(texts: list[str]) -> tuple[float, Floats]:
    embedder = Embedder()
    embedder.encode_document(texts[:100], show_progress_bar=False)
    begun = time.monotonic()
    blocks = [np.asarray(block) for block in embedder.encode_stream(texts, show_progress_bar=False)]
    return time.monotonic() - begun, np.concatenate(blocks)


def _on_ray(corpus: Path, output: Path, part_rows: int, *, dies: bool) -> float:
    """Seconds from the first shard to the last, workers' start included."""
    from ray.cluster_utils import Cluster

    shutil.rmtree(output, ignore_errors=True)
    cluster: Any = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    nodes = [cluster.add_node(num_cpus=1, object_store_memory=200 << 20) for _ in range(2)]
    cluster.wait_for_nodes()

    def kill() -> None:
        wanted = sum(1 for _ in corpus.open()) // part_rows // 2
        while len(list(output.glob("part-*"))) < wanted:
            time.sleep(0.05)
        cluster.remove_node(nodes[0], allow_graceful=False)
        cluster.add_node(num_cpus=1, object_store_memory=200 << 20)

    killer = threading.Thread(target=kill, daemon=True)
    if dies:
        killer.start()
    try:
        done = embed_files(
            [source_of(str(corpus), None, None)],
            str(output),
            SETTINGS,
            Workers(address=cluster.address),
            part_rows=part_rows,
            show_progress_bar=False,
        )
    finally:
        cluster.shutdown()
    return done.seconds


def _compared(output: Path, texts: list[str], expected: Floats) -> str:
    """Rows of the output beside those of one process."""
    row, furthest = 0, 0.0
    for part in sorted(output.glob("part-*.parquet")):
        table = pq.read_table(part)
        stop = row + len(table)
        assert table["index"].to_pylist() == list(range(row, stop)), f"{part}: other rows"
        assert table["text"].to_pylist() == texts[row:stop], f"{part}: other texts"
        flat = table["embedding"].combine_chunks().flatten().to_numpy()
        vectors = flat.reshape(len(table), -1)
        furthest = max(furthest, float(np.abs(vectors - expected[row:stop]).max()))
        row = stop
    assert row == len(texts), f"{row} rows of {len(texts)}"
    return f"{row:,}, each once and in order; largest difference of a value {furthest:.1e}"


if __name__ == "__main__":
    run(main)

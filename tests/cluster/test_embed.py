"""Embedding on a cluster: the output of one machine, whatever happens to nodes meanwhile."""

import threading
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from quiver import Embedder
from quiver.cluster.connection import Workers
from quiver.cluster.embed import EmbedReport, embed_files
from quiver.cluster.shards import source_of
from quiver.cluster.worker import EmbedSettings
from quiver.errors import ClusterError, InputError
from tests.cluster.conftest import Nodes

SETTINGS = EmbedSettings(name="mini", model={}, prompt={"prompt_name": "document"})
WORDS = ("ships", "apples", "海")
TEXTS = [f"Text number {number} is about {word}." for number in range(200) for word in WORDS]

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Ray about itself


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return Embedder()


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("corpus") / "corpus.txt"
    path.write_text("".join(f"{text}\n" for text in TEXTS))
    return path


def run(nodes: Nodes, corpus: Path, output: Path, part_rows: int = 34) -> EmbedReport:
    source = source_of(str(corpus), None, None)
    workers = Workers(address=nodes.address)
    return embed_files([source], str(output), SETTINGS, workers, part_rows=part_rows, show_progress_bar=False)


def check(output: Path, embedder: Embedder) -> None:
    """Every row once and in order, with the vector of a single machine."""
    parts = sorted(output.glob("part-*.parquet"))
    tables = [pq.read_table(part) for part in parts]
    assert [index for table in tables for index in table["index"].to_pylist()] == list(range(len(TEXTS)))
    assert [text for table in tables for text in table["text"].to_pylist()] == TEXTS
    vectors = np.concatenate([np.stack(table["embedding"].to_numpy()) for table in tables])
    expected = embedder.encode_document(TEXTS, show_progress_bar=False)
    np.testing.assert_allclose(vectors, np.asarray(expected), atol=1e-6)
    told = {table.schema.metadata[b"quiver.fingerprint"].decode() for table in tables}
    assert told == {str(expected.fingerprint)}
    assert {path.name for path in output.iterdir()} == {"_job.json", *(part.name for part in parts)}


def test_a_node_that_dies_costs_no_row_and_gives_none_twice(
    nodes: Nodes, corpus: Path, tmp_path: Path, embedder: Embedder
) -> None:
    output = tmp_path / "out"
    killed = threading.Event()

    def kill() -> None:
        while len(list(output.glob("part-*.parquet"))) < 3:
            time.sleep(0.02)
        nodes.kill()
        killed.set()

    killer = threading.Thread(target=kill)
    killer.start()
    report = run(nodes, corpus, output, part_rows=17)
    killer.join()
    assert killed.is_set()
    assert (report.total.rows, report.shards, report.found) == (len(TEXTS), 36, 0)
    check(output, embedder)
    nodes.mend()


def test_a_job_that_was_stopped_goes_on(
    nodes: Nodes, corpus: Path, tmp_path: Path, embedder: Embedder
) -> None:
    output = tmp_path / "out"
    run(nodes, corpus, output)
    kept = sorted(output.glob("part-*.parquet"))
    times = {part.name: part.stat().st_mtime_ns for part in kept[2:]}
    for part in kept[:2]:
        part.unlink()
    report = run(nodes, corpus, output)
    assert (report.shards, report.found) == (18, 16)
    assert {part.name: part.stat().st_mtime_ns for part in kept[2:]} == times
    check(output, embedder)
    with pytest.raises(InputError, match=r"another job \(shards, input differ\); name another --output"):
        run(nodes, corpus, output, part_rows=99)


def test_a_users_mistake_is_one_clear_error(nodes: Nodes, tmp_path: Path) -> None:
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"text": "fine"}\n' * 5 + "{broken\n")
    with pytest.raises(InputError, match=r"bad\.jsonl from row 5, line 2: malformed JSON"):
        run(nodes, bad, tmp_path / "out", part_rows=4)


def test_a_worker_larger_than_the_cluster_is_refused(nodes: Nodes, corpus: Path, tmp_path: Path) -> None:
    source = source_of(str(corpus), None, None)
    workers = Workers(address=nodes.address, processors=64)
    with pytest.raises(ClusterError, match=r"has 2 processors, and a worker asks for 64"):
        embed_files([source], str(tmp_path / "out"), SETTINGS, workers)

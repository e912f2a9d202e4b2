"""Indexing on a cluster: the store of a single machine's run, whatever happens to nodes meanwhile."""

import threading
from pathlib import Path

import pytest

from quiver import Embedder
from quiver.cluster.connection import Workers
from quiver.cluster.index import update_index_on_ray
from quiver.search.file_corpus import FileCorpus
from quiver.search.home import IndexHome
from quiver.search.index import update_index
from quiver.search.lance_store import LanceStore
from quiver.search.places import place_of
from quiver.search.store import IndexedFile, IndexInfo, Store
from tests.cluster.conftest import Nodes

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Ray about itself


def put_and(store: Store, do: threading.Event) -> None:
    """Tell when something has been stored."""
    put = store.put

    def told(files: list[IndexedFile]) -> None:
        put(files)
        do.set()

    store.put = told  # type: ignore[method-assign,assignment]


def test_files_are_indexed_as_on_one_machine_though_a_node_dies(
    nodes: Nodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quiver.cluster.index.GROUP_BYTES", 300)
    files = tmp_path / "files"
    files.mkdir()
    for number in range(40):
        (files / f"{number:02}.md").write_text(f"# Number {number}\n\nShips and apples, {number} times.\n")
    (files / "broken.pdf").write_bytes(b"%PDF-1.4 nothing")
    corpus = FileCorpus(IndexHome(folder=tmp_path / ".quiver"), ("files",))
    embedder = Embedder()
    about = IndexInfo(model=None, fingerprint=embedder.fingerprint, max_tokens=100)
    here = LanceStore.create(tmp_path / "here", about)
    expected = update_index(here, corpus, embedder, show_progress_bar=False)

    there = place_of(f"milvus:{tmp_path}/there.db").create(about)
    stored = threading.Event()
    put_and(there, stored)

    def kill() -> None:
        stored.wait(200)
        nodes.kill()

    killer = threading.Thread(target=kill)
    killer.start()
    report = update_index_on_ray(there, corpus, {}, Workers(address=nodes.address), show_progress_bar=False)
    killer.join()
    assert (report.added, report.passages) == (expected.added, expected.passages) == (40, 40)
    assert [each.path for each in report.skipped] == ["files/broken.pdf"]
    assert there.files() == here.files()
    for path in here.files():
        one, other = here.read(path), there.read(path)
        assert one is not None
        assert other is not None
        assert list(one.passages) == list(other.passages)
        assert abs(one.vectors - other.vectors).max() < 1e-6
    there.close()
    nodes.mend()

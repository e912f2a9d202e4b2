"""Writers that end anywhere: what readers see, and what the next writer finds."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from quiver.errors import IndexBusy
from quiver.search.index import update_index
from quiver.search.places import place_of
from quiver.search.store import Store
from quiver.search.versioned import state
from quiver.search.versioned.milvus import MilvusTables
from quiver.search.versioned.qdrant import QdrantTables
from quiver.search.versioned.store import VersionedStore
from quiver.search.versioned.tables import Collection, Tables
from tests.search.examples import NaiveStore, file, info, vector
from tests.search.folder import Folder, SlowEmbedder
from tests.search.test_store import same

REPOSITORY = Path(__file__).parents[3]
OLD = [file("a", *[f"old {number}" for number in range(5)]), file("b", "old b"), file("gone", "old gone")]
NEW = [file("a", "new"), file("c", "new c", "new again")]


class Killed(Exception):
    """Where a process would be gone."""


class Mortal:
    """Tables that die at the N-th write."""

    def __init__(self, tables: Tables, writes: int) -> None:
        self.tables = tables
        self.left = writes

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.tables, name)
        if name not in ("insert", "end", "delete", "write_note"):
            return found

        def write(*given: Any) -> None:
            if not self.left:
                raise Killed
            self.left -= 1
            found(*given)

        return write


@pytest.fixture(params=["qdrant", "milvus"])
def make_tables(request: pytest.FixtureRequest, memory: Path) -> Callable[[str], Tables]:
    def make(name: str) -> Tables:
        if request.param == "qdrant":
            return QdrantTables.create(Collection("Qdrant", memory / "qdrant", name), info())
        return MilvusTables.create(Collection("Milvus", memory / "milvus.db", name), info())

    return make


def naive(*changes: list[Any]) -> NaiveStore:
    store = NaiveStore(info())
    for change in changes:
        store.put(change)
    return store


def test_a_change_that_ends_anywhere_did_not_happen(make_tables: Callable[[str], Tables]) -> None:
    before, after = naive(OLD), naive(OLD, NEW)
    finished = False
    writes = 0
    while not finished:
        tables = make_tables(f"w{writes}")
        VersionedStore(tables).put(OLD)
        try:
            VersionedStore(Mortal(tables, writes)).put(NEW)
            finished = True
        except Killed:
            pass
        reader = VersionedStore(tables)
        committed = reader.files() == after.files()
        same(reader, after if committed else before)
        assert len(reader.search_vectors(vector("x"), 99)) == reader.count()
        writer = VersionedStore(tables)
        writer.remove(["gone"])
        writer.put(NEW)
        expected = naive(OLD, NEW)
        expected.remove(["gone"])
        same(writer, expected)
        tables.close()
        writes += 1
    assert writes > 5


def test_a_reader_sees_what_it_began_with(
    make_tables: Callable[[str], Tables], monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = make_tables("t")
    writer, reader = VersionedStore(tables), VersionedStore(tables)
    writer.put(OLD)
    begun = reader._state()
    monkeypatch.setattr(reader, "_state", lambda: begun)
    writer.put(NEW)
    writer.remove(["b"])
    same(reader, naive(OLD))
    monkeypatch.setattr(state, "READERS_GRACE", 0.0)
    for _ in range(3):
        writer.optimize()
    assert len(list(tables.select("passages", _everything(), ["path"]))) == writer.count() == 4
    tables.close()


def _everything() -> Any:
    from quiver.search.filters import Column, Comparison

    return Comparison(Column("born"), ">=", 0)


@pytest.mark.parametrize("address", ["qdrant:index", "milvus:index.db"])
def test_kill_9_loses_no_finished_file(
    memory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.chdir(memory)
    folder = tmp_path / "files"
    folder.mkdir()
    store = place_of(address).create(info())
    for number in range(60):
        (folder / f"{number:02}").write_text("\n".join(f"line {line} of {number}" for line in range(5)))
    wanted = NaiveStore(info())
    update_index(wanted, Folder(folder), SlowEmbedder())
    store.close()
    chance = random.Random(3)
    finished: set[str] = set()
    counts: list[int] = []
    while len(counts) < 3 or not counts[-1]:
        with indexing(address, folder, seconds=0.02) as running:
            time.sleep(len(counts) + chance.random())
            if address.startswith("milvus"):
                with pytest.raises(IndexBusy, match="open in another process"):
                    place_of(address).open()
            running.send_signal(signal.SIGKILL)
        store = place_of(address).open()
        now = set(store.files())
        assert finished <= now
        assert all(len(held.passages) == 5 for path in now if (held := store.read(path)))
        store.close()
        finished = now
        counts.append(len(now))
    store = place_of(address).open()
    assert update_index(store, Folder(folder), SlowEmbedder()).unchanged == len(finished)
    same(store, wanted)
    store.close()


def indexing(address: str, folder: Path, seconds: float) -> "subprocess.Popen[bytes]":
    """A run in a process of its own that has begun to write."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(REPOSITORY), *sys.path])}
    command = [sys.executable, "-m", "tests.search.indexing_process", address, str(folder), str(seconds)]
    locks = [Path("index/quiver.writer/lock"), Path("index.db.quiver.writer/lock")]
    with Path("stderr").open("w") as stderr:
        running = subprocess.Popen(command, env=environment, stderr=stderr)
    deadline = time.monotonic() + 60
    while not any(lock.exists() and str(running.pid) in lock.read_text() for lock in locks):
        assert running.poll() is None, Path("stderr").read_text()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return running


def test_a_folder_that_another_process_has_open_is_refused(
    memory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(memory)
    (tmp_path / "a").write_text("text")
    store: Store = place_of("qdrant:index").create(info())
    store.close()
    with indexing("qdrant:index", tmp_path, seconds=30) as running:
        with pytest.raises(IndexBusy, match="takes one at a time; wait, stop it, or use a server"):
            place_of("qdrant:index").open()
        running.kill()

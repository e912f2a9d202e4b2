"""Indexing: what a run does to a store, whatever the files do, and however the run ends."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quiver import Embedder
from quiver.errors import FingerprintMismatch, IndexBusy, StoreError
from quiver.search import batches, reader
from quiver.search.index import IndexReport, update_index
from quiver.search.lance_store import LanceStore
from quiver.search.passages import Passage, Skipped, SourceFile
from quiver.search.store import Store
from tests.search.conftest import OpenStore
from tests.search.examples import NaiveStore, file, info
from tests.search.folder import Folder, SlowEmbedder
from tests.search.test_store import same

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "files").mkdir()
    return tmp_path / "files"


@pytest.fixture
def store(open_store: OpenStore) -> Store:
    return open_store(info())


@pytest.fixture
def lance(tmp_path: Path) -> LanceStore:
    """For what a process of its own does to a folder."""
    return LanceStore.create(tmp_path / "index", info())


def write(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def index(store: Store, folder: Path, embedder: SlowEmbedder | None = None) -> IndexReport:
    return update_index(store, Folder(folder), embedder or SlowEmbedder())


def from_scratch(folder: Path) -> NaiveStore:
    """What a new index of the same files would hold."""
    naive = NaiveStore(info())
    index(naive, folder)
    return naive


def test_a_first_run_embeds_everything(store: Store, folder: Path) -> None:
    write(folder, {"a.txt": "one\ntwo words", "b/c.txt": "three", "empty": ""})
    embedder = SlowEmbedder()
    report = index(store, folder, embedder)
    assert (report.added, report.changed, report.unchanged, report.removed) == (3, 0, 0, 0)
    assert (report.passages, report.usage.tokens_in) == (3, 4)
    assert report.tokens_per_second > 0
    assert sorted(embedder.embedded) == ["one", "three", "two words"]
    assert [each.passage.text for each in store.search_text("words", 9)] == ["two words"]


def test_a_second_run_embeds_what_changed(store: Store, folder: Path) -> None:
    write(folder, {"same": "same", "changed": "before", "gone": "gone", "empty": ""})
    index(store, folder)
    write(folder, {"changed": "after", "new": "new"})
    (folder / "gone").unlink()
    embedder = SlowEmbedder()
    report = index(store, folder, embedder)
    assert (report.added, report.changed, report.unchanged, report.removed) == (1, 1, 2, 1)
    assert sorted(embedder.embedded) == ["after", "new"]
    same(store, from_scratch(folder))


def test_files_that_the_run_does_not_cover_stay(store: Store, folder: Path) -> None:
    store.put([file("elsewhere/a", "text")])
    index(store, folder)
    assert store.files().keys() == {"elsewhere/a"}


def test_files_that_cannot_be_read_are_reported(
    store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(
        folder,
        {"1": "ENCRYPTED", "2": "BUG", "3": "CRASH", "4": "BOMB", "5": "fine", "6": "PRINT", "7.no": ""},
    )
    (folder / "8").write_bytes(b"\xff\xfe")
    write(folder, {"9": "HALF", "\udcff": "text"})
    report = index(store, folder)
    assert {skipped.path: skipped.reason for skipped in report.skipped} == {
        "1": "it is encrypted",
        "2": "ZeroDivisionError: a bug of a parser",
        "3": "the process that read it died (SIGABRT)",
        "4": "reading it takes too much memory",
        "7.no": "not wanted",
        "8": "UnicodeDecodeError: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte",
        "9": "UnicodeEncodeError: 'utf-8' codec can't encode character '\\udc80' in position 2: "
        "surrogates not allowed",
        "\udcff": "its name is not UTF-8",
    }
    assert store.files().keys() == {"5", "6"}
    assert index(store, folder).unchanged == 2


def test_a_file_that_takes_for_ever_is_skipped(folder: Path) -> None:
    write(folder, {"1": "HANG", "2": "fine"})
    files = [each for each in Folder(folder).find() if not isinstance(each, Skipped)]
    assignment = reader.Assignment(Folder(folder), SlowEmbedder.count_tokens, 100)
    read = dict(reader.read_files(files, assignment, seconds_a_file=3))
    assert read[files[0]] == Skipped("1", "reading it took longer than 3 seconds")
    assert isinstance(read[files[1]], list)


def test_a_corpus_that_cannot_reach_the_reading_process(lance: LanceStore, folder: Path) -> None:
    write(folder, {"a": "text"})
    index(lance, folder)
    write(folder, {"a": "another"})
    code = (
        "import tests.search.folder as f, sys, pathlib; from quiver.search.index import update_index\n"
        "from quiver.search.lance_store import LanceStore\nclass Own(f.Folder): pass\n"
        "here, there = map(pathlib.Path, sys.argv[1:])\n"
        "update_index(LanceStore(here), Own(there), f.SlowEmbedder())"
    )
    command = [sys.executable, "-c", code, str(folder.parent / "index"), str(folder)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(REPOSITORY), *sys.path])}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert "a corpus must be importable, not part of the running script" in done.stderr
    assert lance.files().keys() == {"a"}


def test_a_file_that_can_no_longer_be_read_leaves_the_index(store: Store, folder: Path) -> None:
    write(folder, {"a": "text", "b": "text"})
    index(store, folder)
    write(folder, {"a": "ENCRYPTED"})
    report = index(store, folder)
    assert (report.removed, [each.path for each in report.skipped]) == (1, ["a"])
    assert store.files().keys() == {"b"}


def test_another_embedder_is_refused(store: Store, folder: Path) -> None:
    with pytest.raises(FingerprintMismatch) as raised:
        index(store, folder, SlowEmbedder(weights="other"))
    message = str(raised.value)
    assert str(store.info.fingerprint) in message
    assert str(SlowEmbedder(weights="other").fingerprint) in message
    assert message.endswith("quiver reindex")


def test_many_batches(store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "MOST_CHARACTERS", 300)
    monkeypatch.setattr(batches, "FIRST_CHARACTERS", 300)
    write(folder, {f"{number:02}": "\n".join(["line"] * number) for number in range(40)})
    index(store, folder)
    same(store, from_scratch(folder))


def test_vectors_are_the_embedders(open_store: OpenStore, folder: Path, embedder: Embedder) -> None:
    write(folder, {"a": "The capital of China is Beijing.\nGravity", "b": "naïve café"})
    store = open_store(info(fingerprint=embedder.fingerprint))
    report = update_index(store, Folder(folder), embedder)
    held = store.read("a")
    assert held is not None
    expected = embedder.encode_document([each.text for each in held.passages])
    np.testing.assert_allclose(held.vectors, np.asarray(expected), atol=1e-6)
    assert report.usage.tokens_in > 0


Change = tuple[str, str | None]


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.lists(
            st.tuples(st.sampled_from("abc"), st.sampled_from(["x", "y\nz", "", "ENCRYPTED", None])),
            max_size=3,
        ),
        max_size=4,
    )
)
def test_any_sequence_of_changes_gives_the_index_from_scratch(
    store: Store, folder: Path, runs: list[list[Change]]
) -> None:
    shutil.rmtree(folder)
    folder.mkdir()
    with patch.object(reader, "_ReadingProcess", ReadHere):
        index(store, folder)
        assert not store.files()
        for changes in runs:
            for name, text in changes:
                (folder / name).unlink(missing_ok=True) if text is None else write(folder, {name: text})
            index(store, folder)
            same(store, from_scratch(folder))


class ReadHere:
    """Reads in this process, which is quicker."""

    def __init__(self, assignment: reader.Assignment, seconds_a_file: float) -> None:
        self.assignment = assignment

    def read(self, file: SourceFile) -> list[Passage] | Skipped:
        answer = reader._answer(self.assignment, file)
        return Skipped(file.path, answer) if isinstance(answer, str) else answer

    def stop(self) -> None: ...


def start(store: Path, folder: Path, seconds: float) -> "subprocess.Popen[bytes]":
    """An indexing process of its own, which has begun."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(REPOSITORY), *sys.path])}
    command = [sys.executable, "-m", "tests.search.indexing_process", str(store), str(folder), str(seconds)]
    running = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not (store / "lock").exists() or str(running.pid) not in (store / "lock").read_text():
        assert running.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return running


def numbered(folder: Path, version: str) -> None:
    lines = [f"{version} line {number}" for number in range(5)]
    write(folder, {f"{name:03}": "\n".join(f"{line} of {name}" for line in lines) for name in range(100)})


def test_a_run_killed_at_any_moment_loses_no_finished_file(tmp_path: Path, folder: Path) -> None:
    chance = random.Random(7)
    store = LanceStore.create(tmp_path / "index", info())
    numbered(folder, "old")
    index(store, folder)
    numbered(folder, "new")
    wanted = from_scratch(folder).files()
    finished: set[str] = set()
    counts = []
    versions = tmp_path / "index" / "files.lance" / "_versions"
    for _ in range(20):
        begun = len(list(versions.iterdir()))
        with start(tmp_path / "index", folder, seconds=0.004) as running:
            while len(list(versions.iterdir())) == begun and running.poll() is None:
                time.sleep(0.01)
            time.sleep(0.5 * chance.random())
            running.send_signal(signal.SIGKILL)
        store = LanceStore(tmp_path / "index")
        assert store.files().keys() == wanted.keys()
        assert {len(held.passages) for path in wanted if (held := store.read(path))} == {5}
        assert len(store.search_text("line", 999)) == 500
        now = {path for path, digest in store.files().items() if digest == wanted[path]}
        assert finished <= now
        finished = now
        counts.append(len(finished))
    assert len(set(counts)) > 2
    report = index(store, folder)
    assert report.unchanged == len(finished)
    same(store, from_scratch(folder))


def test_a_second_run_says_who_is_at_work(tmp_path: Path, lance: LanceStore, folder: Path) -> None:
    write(folder, {"a": "text"})
    with start(tmp_path / "index", folder, seconds=30) as running:
        with pytest.raises(IndexBusy, match=f"being written by process {running.pid} since"):
            index(lance, folder)
        running.kill()
    index(lance, folder)
    same(lance, from_scratch(folder))


def test_a_full_disk_is_one_clear_error(tmp_path: Path, folder: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", "size=600k", "none", str(small)]
    if subprocess.run(mounting, capture_output=True, check=False).returncode:
        pytest.skip("a small disk can be mounted by root alone")
    try:
        store = LanceStore.create(small / "index", info())
        write(folder, {f"{number:03}": "a few words for this line\n" * 200 for number in range(100)})
        with (
            patch.object(batches, "MOST_CHARACTERS", 20_000),
            pytest.raises(StoreError, match="the disk is full; free some space and run again"),
        ):
            index(store, folder)
        held = {name: digest for name, digest in LanceStore(small / "index").files().items() if digest}
        assert held
        subprocess.run(["mount", "-o", "remount,size=100m", str(small)], check=True)
        report = index(store, folder)
        assert report.unchanged >= len(held)
        same(store, from_scratch(folder))
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)

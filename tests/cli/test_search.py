"""``quiver index``, ``search`` and ``reindex`` over plain files, with models without weights."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import quiver
from quiver.cli import index as index_command
from quiver.cli import search as search_command
from quiver.cli.loading import ModelOptions
from quiver.engine.plan import Usage
from quiver.results import Embeddings
from quiver.search import reader
from quiver.search.corpus import CountTokens
from quiver.search.lance_store import LanceStore
from quiver.search.passages import Passage, Skipped, SourceFile
from tests.cli.conftest import Shell
from tests.cli.fakes import FakeReranker
from tests.search.examples import vector
from tests.search.folder import Folder, SlowEmbedder
from tests.search.test_index import ReadHere


class Model(SlowEmbedder):
    """An embedder of both sides; its name is its space."""

    def __init__(self, options: ModelOptions) -> None:
        super().__init__(weights=options.model or "w")

    def encode_query(
        self, texts: Sequence[str], *, instruction: Any = None, show_progress_bar: bool | None = None
    ) -> Embeddings:
        rows = np.asarray([vector(text) for text in texts], np.float32)
        return Embeddings(rows, Usage(1, 1), [], self.fingerprint)


class Ingest(ModuleType):
    """Reads files as lines."""

    @staticmethod
    def find_files(paths: Iterable[Path]) -> Iterator[SourceFile | Skipped]:
        for path in paths:
            yield from Folder(path).find()

    @staticmethod
    def read_passages(file: SourceFile, count_tokens: CountTokens, max_tokens: int) -> list[Passage]:
        return Folder(Path()).read(file, count_tokens, max_tokens)


@pytest.fixture
def docs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of files to index, from the folder above it."""
    monkeypatch.setitem(sys.modules, "quiver.search.ingest", Ingest("quiver.search.ingest"))
    monkeypatch.delitem(sys.modules, "quiver.search.file_corpus", raising=False)
    monkeypatch.setattr(reader, "_ReadingProcess", ReadHere)
    for module in (index_command, search_command):
        monkeypatch.setattr(module, "load_embedder", lambda options, dimension: Model(options))
    monkeypatch.setattr(search_command, "load_reranker", FakeReranker)
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "git.txt").write_text("Reset undoes a commit.\nClean deletes files.")
    (folder / "sea.txt").write_text("Ships \x1b[2J sail the sea.")
    return folder


def test_index_and_search(shell: Shell, docs: Path) -> None:
    run = shell("index", "docs")
    assert run.code == 0
    assert run.err.startswith("2 files added, 0 changed, 0 removed, 0 unchanged, 0 skipped; 3 passages of ")
    run = shell("search", "undo a commit", "--mode", "text")
    [hit] = run.records
    assert (hit["path"], hit["first_line"], hit["stage"]) == ("docs/git.txt", 1, "text")
    assert [hit["text"][start:stop] for start, stop in hit["words"]] == ["undoes", "a", "commit"]
    assert run.err.startswith("1 of 1 candidates, ")


def test_what_changed_is_indexed_again_without_naming_it(shell: Shell, docs: Path) -> None:
    shell("index", "docs")
    (docs / "git.txt").unlink()
    (docs / "new.txt").write_text("new")
    (docs / "bad.no").write_text("")
    run = shell("index")
    assert "1 file added, 0 changed, 1 removed, 1 unchanged, 1 skipped" in run.err
    assert "skipped bad.no: not wanted" in run.err


def test_skipped_files_are_told_by_reason(shell: Shell, docs: Path) -> None:
    for number in range(5):
        (docs / f"{number}.no").write_text("")
    (docs / "bad.txt").write_text("ENCRYPTED")
    run = shell("index", "docs")
    assert run.err.splitlines()[1:] == [
        "skipped 0.no, 1.no, 2.no and 2 more: not wanted",
        "skipped docs/bad.txt: it is encrypted",
    ]


def test_the_report_as_json_names_every_skipped_file(shell: Shell, docs: Path) -> None:
    for number in range(5):
        (docs / f"{number}.no").write_text("")
    run = shell("index", "docs", "--format", "jsonl")
    [report] = run.records
    assert (report["added"], report["passages"], run.err) == (2, 3, "")
    assert report["skipped"] == [{"path": f"{n}.no", "reason": "not wanted"} for n in range(5)]


def test_a_shortlist_of_short_vectors(shell: Shell, docs: Path) -> None:
    assert shell("index", "docs", "--shortlist", "2").code == 0
    assert LanceStore(Path(".quiver/1")).info.shortlist_dimension == 2
    assert shell("search", "Clean deletes files.", "--mode", "dense").records[0]["score"] == pytest.approx(1)
    assert shell("index", "--shortlist", "2").code == 0
    assert shell("reindex", "--model", "other").code == 0
    assert LanceStore(Path(".quiver/2")).info.shortlist_dimension == 2


def test_what_holds_for_a_whole_index_is_not_changed_by_the_way(shell: Shell, docs: Path) -> None:
    shell("index", "docs", "--max-tokens", "100")
    run = shell("index", "--shortlist", "2")
    assert (
        run.err
        == "error: the index was made without --shortlist; to change it: quiver reindex --shortlist 2\n"
    )
    run = shell("index", "--max-tokens", "50")
    assert "made with --max-tokens 100; to change it: quiver reindex --max-tokens 50" in run.err
    assert shell("reindex", "--shortlist", "2").code == 0
    assert LanceStore(Path(".quiver/2")).info.shortlist_dimension == 2


def test_a_shortlist_must_be_shorter_than_the_vectors(shell: Shell, docs: Path) -> None:
    run = shell("index", "docs", "--shortlist", "8")
    assert run.err == "error: --shortlist must be less than the 8 values of a vector, not 8\n"


def test_the_index_is_found_from_below_and_kept_out_of_git(
    shell: Shell, docs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell("index", "docs", "--quiet")
    monkeypatch.chdir(docs)
    assert shell("search", "ships", "--format", "paths", "--mode", "text").out == "docs/sea.txt\n"
    assert (docs.parent / ".quiver" / ".gitignore").read_text() == "*\n"


def test_a_table_highlights_what_matched(shell: Shell, docs: Path) -> None:
    shell("index", "docs")
    run = shell("search", "ships", "--mode", "text", "--format", "table", "--explain")
    assert "docs/sea.txt:1" in run.out
    assert "text 1. (" in run.out
    assert "Ships \ufffd[2J sail the sea." in run.out


def test_reranking_and_paths(shell: Shell, docs: Path) -> None:
    shell("index", "docs")
    run = shell("search", "Clean files.", "--reranker", "builtin", "--format", "jsonl")
    assert run.records[0]["text"] == "Clean deletes files."
    assert run.records[0]["stage"] == "rerank"
    assert "3 of 3 candidates, 3 reranked" in run.err
    assert "3 left unranked" in shell("search", "x", "--reranker", "m", "--budget-ms", "0").err


def test_queries_from_standard_input(shell: Shell, docs: Path) -> None:
    shell("index", "docs")
    run = shell("search", "--mode", "text", "--format", "paths", stdin=b"ships\n\nreset\n")
    assert run.out == "docs/sea.txt\ndocs/git.txt\n"


def test_a_filter_that_cannot_be_read(shell: Shell, docs: Path) -> None:
    shell("index", "docs")
    run = shell("search", "x", "--where", "nonsense ((")
    assert run.code == 1
    assert run.err.startswith("error: ")


def test_another_model_is_refused_and_reindex_takes_it(shell: Shell, docs: Path) -> None:
    shell("index", "docs")
    run = shell("index", "--model", "other")
    assert run.code == 1
    assert "quiver reindex" in run.err
    assert shell("reindex", "--model", "other").code == 0
    assert shell("search", "ships", "--mode", "text").records[0]["path"] == "docs/sea.txt"
    assert "2 unchanged" in shell("index").err
    assert sorted(path.name for path in Path(".quiver").iterdir()) == [".gitignore", "2", "home.json"]


def test_a_rebuild_that_was_stopped_goes_on(
    shell: Shell, docs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell("index", "docs")
    with monkeypatch.context() as patch:
        patch.setattr("quiver.search.home.IndexHome.with_next_generation", fail)
        with pytest.raises(KeyError):
            shell("reindex", "--model", "other")
    assert shell("search", "ships", "--mode", "text").code == 0
    run = shell("reindex", "--model", "other")
    assert "0 files added, 0 changed, 0 removed, 2 unchanged" in run.err


def fail(home: object) -> None:
    raise KeyError("stopped")


@pytest.mark.parametrize("command", [["search", "x"], ["reindex"], ["index"]])
def test_nothing_was_indexed_yet(shell: Shell, docs: Path, command: list[str]) -> None:
    run = shell(*command)
    assert run.code == 1
    assert "quiver index PATH" in run.err


def test_a_path_that_is_not_there(shell: Shell, docs: Path) -> None:
    run = shell("index", "nowhere")
    assert (run.code, run.err) == (1, "error: there is no nowhere\n")


def test_the_searcher_finds_the_same_index(shell: Shell, docs: Path) -> None:
    shell("index", "docs")
    for place in (None, ".quiver", docs.parent / ".quiver" / "1"):
        hits = quiver.Searcher(place, embedder=Model(ModelOptions())).search("ships", mode="text")
        assert [hit.passage.path for hit in hits] == ["docs/sea.txt"]


def test_a_damaged_index(shell: Shell, docs: Path) -> None:
    shell("index", "docs")
    Path(".quiver/home.json").write_text("{")
    run = shell("search", "x")
    assert run.code == 1
    assert "is damaged" in run.err


@pytest.mark.parametrize("address", ["qdrant:database", "milvus:database.db"])
def test_an_index_in_a_database(shell: Shell, docs: Path, address: str) -> None:
    ships = ("ships", "--mode", "text", "--format", "paths")
    shell("index", "docs", "--store", address)
    assert not Path(".quiver/1").exists()
    assert shell("search", *ships).out == "docs/sea.txt\n"
    assert shell("search", *ships, "--store", address).out == "docs/sea.txt\n"
    assert "2 unchanged" in shell("index").err
    run = shell("index", "docs", "--store", "qdrant:elsewhere")
    assert run.code == 1
    assert "leave out --store, or make another index with --index DIR" in run.err
    assert shell("reindex", "--model", "b").code == 0
    assert shell("search", *ships).out == "docs/sea.txt\n"
    run = shell("search", *ships, "--store", address)
    assert run.code == 1
    assert "there is no index in the collection quiver" in run.err

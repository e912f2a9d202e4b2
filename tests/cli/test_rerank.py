from pathlib import Path

import pyarrow.parquet as pq
import pytest

from quiver import Reranker
from quiver.server.models import OpenedModels
from tests.cli.conftest import Shell, finished
from tests.cli.fakes import FakeReranker, fingerprint
from tests.server.running import running

DOCUMENTS = ["about ships", "red apples and green apples", "", "green apples"]


def test_documents_come_best_first(shell: Shell, rerankers: list[FakeReranker]) -> None:
    run = shell("rerank", "green apples", *DOCUMENTS)
    assert run.code == 0
    assert [(r["rank"], r["index"], r["text"]) for r in run.records] == [
        (1, 1, "red apples and green apples"),
        (2, 3, "green apples"),
        (3, 0, "about ships"),
    ]
    assert list(run.records[0]) == ["rank", "index", "score", "log_odds", "text"]
    assert run.records[0]["log_odds"] == 0.5
    assert run.err == "4 documents: 100 tokens in, 60 computed, 40 saved\n"


def test_blank_documents_keep_their_place_but_are_not_ranked(
    shell: Shell, rerankers: list[FakeReranker]
) -> None:
    run = shell("rerank", "x", stdin=b"\n \nx\n\ny\n")
    assert [record["index"] for record in run.records] == [2, 4]
    run = shell("rerank", "x", stdin=b"\n \n")
    assert (run.code, run.err) == (1, "error: no documents to rank: all 2 are blank\n")


def test_top_k_counts_what_is_ranked(shell: Shell, rerankers: list[FakeReranker]) -> None:
    run = shell("rerank", "apples", *DOCUMENTS, "--top-k", 1)
    assert [record["index"] for record in run.records] == [1]
    assert len(shell("rerank", "apples", *DOCUMENTS, "--top-k", 99).records) == 3


def test_several_files_are_one_list(shell: Shell, rerankers: list[FakeReranker], tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("pears\nplums\n")
    (tmp_path / "b.jsonl").write_text('{"passage": "apples"}\n')
    run = shell("rerank", "apples", "-i", tmp_path / "a.txt", "-i", tmp_path / "b.jsonl", "--top-k", 1)
    assert run.records[0]["index"] == 2
    assert "reading the field 'passage'" in run.err


def test_options_are_passed_on(shell: Shell, rerankers: list[FakeReranker]) -> None:
    shell("rerank", "q", "d", "-m", "m", "--instruction", "i", "--max-length", 5, "--truncate", "-q")
    assert rerankers[0].options.model == "m"
    assert rerankers[0].options.on_too_long == "truncate"
    call = rerankers[0].calls[0]
    assert (call["query"], call["instruction"], call["show_progress_bar"]) == ("q", "i", False)


def test_cuts_are_told(shell: Shell, rerankers: list[FakeReranker]) -> None:
    run = shell("rerank", "q", "short", "a b c d", "--max-length", 2, "--truncate")
    assert {record["index"]: record.get("tokens_cut") for record in run.records} == {0: None, 1: 2}
    assert "1 text cut: index 1 (2 of 4 tokens kept)" in run.err


def test_a_table_shows_rank_score_index_and_text(shell: Shell, rerankers: list[FakeReranker]) -> None:
    run = shell("rerank", "green apples", "[red]green[/red]\n apples\x1b[0m", "no", "--format", "table")
    assert [line.split() for line in run.out.splitlines()[2:]] == [
        ["1", "0.1824", "0", "[red]green[/red]", "apples\ufffd[0m"],
        ["2", "0.1824", "1", "no"],
    ]
    assert run.out.split()[:4] == ["rank", "score", "index", "text"]


def test_a_parquet_file_holds_the_ranking_and_its_origin(
    shell: Shell, rerankers: list[FakeReranker], tmp_path: Path
) -> None:
    path = tmp_path / "a.parquet"
    assert shell("rerank", "green apples", *DOCUMENTS, "-o", path, "-m", "some/model").code == 0
    table = pq.read_table(path)
    assert table.column_names == ["rank", "index", "score", "log_odds", "text", "tokens_cut"]
    assert table["index"].to_pylist() == [1, 3, 0]
    assert table.schema.metadata[b"quiver.model"] == b"some/model"
    assert table.schema.metadata[b"quiver.query"] == b"green apples"
    assert table.schema.metadata[b"quiver.fingerprint"] == str(fingerprint(1)).encode()


@pytest.mark.parametrize(
    "options", [["--format", "npy"], ["--output", "a.npy"], ["--top-k", "0"], ["--dim", "3"]]
)
def test_a_wrong_command_line_exits_with_2(
    shell: Shell, rerankers: list[FakeReranker], options: list[str]
) -> None:
    run = shell("rerank", "q", "d", *options)
    assert run.code == 2
    assert "Error: " in run.err
    assert rerankers == []


def test_a_query_and_documents_are_needed(shell: Shell, rerankers: list[FakeReranker]) -> None:
    assert shell("rerank").code == 2
    run = shell("rerank", "q")
    assert run.code == 2
    assert "no texts" in run.err


def test_a_query_that_is_no_text(shell: Shell, rerankers: list[FakeReranker]) -> None:
    run = shell("rerank", b"caf\xe9".decode(errors="surrogateescape"), "d")
    assert run.code == 1
    assert run.err == "error: the query: character 4 is no text but bytes that are not UTF-8\n"


def test_the_real_thing(reranker_folder: Path, reranker: Reranker) -> None:
    query, documents = "What is the capital of China?", ["Beijing.", "Gravity.", "北京"]
    options = ["-m", reranker_folder, "--device", "cpu", "--dtype", "float32"]
    run = finished("rerank", query, *documents, *options, module="quiver")
    assert run.code == 0, run.err
    expected = reranker.rank(query, documents)
    assert [record["index"] for record in run.records] == [entry["corpus_id"] for entry in expected]
    for record, entry in zip(run.records, expected, strict=True):
        assert record["score"] == pytest.approx(entry["score"], abs=1e-6)


def test_the_built_in_model_needs_no_options() -> None:
    documents = ["Gravity pulls bodies towards each other.", "The capital of China is Beijing."]
    run = finished("rerank", "What is the capital of China?", *documents, module="quiver")
    assert run.code == 0, run.err
    assert run.records[0]["index"] == 1


def test_a_server_may_run_the_model() -> None:
    reranker = Reranker()
    with running(OpenedModels(reranker=reranker)) as server:
        run = finished("rerank", "apples", *DOCUMENTS, "--url", server.url, module="quiver")
    assert run.code == 0, run.err
    expected = reranker.rank("apples", DOCUMENTS)
    assert {r["index"]: r["score"] for r in run.records} == {
        r["corpus_id"]: pytest.approx(r["score"], abs=1e-6)
        for r in expected
        if DOCUMENTS[r["corpus_id"]].strip()
    }

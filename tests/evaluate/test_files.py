"""Evaluation folders are strangers' files: whatever is wrong with one is named with file and line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from quiver.errors import InputError
from quiver.evaluate.ranking import RankingTask
from quiver.evaluate.tasks import read_task
from tests.evaluate import sets


def test_every_type_can_be_read(tmp_path: Path) -> None:
    for kind, make in sets.MAKERS.items():
        assert read_task(make(tmp_path / kind)).meta.type == kind


def test_queries_without_a_relevant_document_are_left_out(tmp_path: Path) -> None:
    folder = sets.retrieval(tmp_path / "some", queries=3)
    with (folder / "queries.jsonl").open("a") as queries:
        queries.write('{"_id": "unjudged", "text": "?"}\n{"_id": "hopeless", "text": "?"}\n')
    with (folder / "qrels.tsv").open("a") as qrels:
        qrels.write("hopeless\td1\t0\n")
    task = read_task(folder)
    assert isinstance(task, RankingTask)
    assert task.query_ids == ["q0", "q1", "q2"]
    assert set(task.grades) == {"q0", "q1", "q2"}


def test_titles_stand_before_texts(tmp_path: Path) -> None:
    task = read_task(sets.retrieval(tmp_path / "some"))
    assert isinstance(task, RankingTask)
    assert task.documents[:2] == ["About ships, number 0", "Title 1 About birds, number 1"]


def test_instructions_of_single_queries(tmp_path: Path) -> None:
    folder = sets.retrieval(tmp_path / "some", queries=2)
    rows = [{"_id": f"q{q}", "text": "?", "instruction": f"in language {q}"} for q in range(2)]
    (folder / "queries.jsonl").write_text(sets.jsonl(rows))
    task = read_task(folder)
    assert isinstance(task, RankingTask)
    assert task.instruction == ["in language 0", "in language 1"]


def test_lines_end_with_a_newline_only(tmp_path: Path) -> None:
    folder = sets.sts(tmp_path / "some")
    (folder / "pairs.tsv").write_bytes("sentence1\tsentence2\tscore\na\u2028b\tc\x0bd\t1\ne\tf\t2\n".encode())
    assert read_task(folder).first == ["a\u2028b", "e"]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"type": "song"}, "the type 'song' is not one of retrieval, "),
        ({"type": 3}, "'type' must be a text, not int"),
        ({"name": " "}, "'name' is empty"),
        ({"main_metric": "beauty"}, "'beauty' is no measure of rankings; ndcg@10"),
        ({"main_metric": "recall"}, "'recall' is no measure of rankings"),
        ({"main_metric": "ndcg@0"}, "is no measure of rankings"),
        ({"type": "sts"}, "'ndcg@10' is no metric of sts; it has cosine_spearman"),
        ({"languages": "en"}, "'languages' must be a list of texts"),
        ({"languages": ["../../etc/passwd"]}, "is not the name of a language"),
        ({"instruction": ["?"]}, "'instruction' must be a text"),
    ],
)
def test_what_a_set_says_about_itself(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    folder = sets.retrieval(tmp_path / "some")
    meta = folder / "meta.json"
    meta.write_text(json.dumps(json.loads(meta.read_text()) | change))
    with pytest.raises(InputError, match=r"meta\.json.*") as raised:
        read_task(folder)
    assert message in str(raised.value)


@pytest.mark.parametrize("content", ["{", "[]", "[" * 100_000, "\xff"])
def test_a_meta_that_is_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "meta.json").write_text(content, encoding="latin-1")
    with pytest.raises(InputError, match=r"meta\.json"):
        read_task(tmp_path)


def test_no_evaluation_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no evaluation folder: it has no meta"):
        read_task(tmp_path)


Maker = Callable[[Path], Path]
QUERIES = '{"_id": "q0", "text": "?"}\n'
CORPUS = '{"_id": "d0", "text": "!"}\n'
QRELS = "query-id\tcorpus-id\tscore\n"
PAIRS = "sentence1\tsentence2\tscore\n"
LABELLED = "text\tlabel\n"


@pytest.mark.parametrize(
    ("make", "name", "content", "message"),
    [
        (sets.retrieval, "corpus.jsonl", "", "corpus.jsonl is empty"),
        (sets.retrieval, "corpus.jsonl", CORPUS + "{", "corpus.jsonl, line 2: malformed JSON"),
        (sets.retrieval, "corpus.jsonl", CORPUS + "[" * 100_000, "corpus.jsonl, line 2: malformed JSON"),
        (sets.retrieval, "corpus.jsonl", "\n" + CORPUS + "3\n", "line 3: not an object"),
        (sets.retrieval, "corpus.jsonl", CORPUS * 2, "line 2: the id 'd0' stands on another line too"),
        (sets.retrieval, "corpus.jsonl", '{"_id": 7}', "line 1: '_id' must be a text, not int"),
        (sets.retrieval, "queries.jsonl", '{"id": "q0"}', "line 1: no field '_id'; found id"),
        (sets.retrieval, "queries.jsonl", QUERIES, "qrels.tsv, line 7: the id 'q1' is not in queries.jsonl"),
        (sets.retrieval, "qrels.tsv", "", "qrels.tsv, line 1: no column 'query-id'"),
        (
            sets.retrieval,
            "qrels.tsv",
            QRELS + "q0\tnone\t1\n",
            "line 2: the id 'none' is not in corpus.jsonl",
        ),
        (sets.retrieval, "qrels.tsv", QRELS + "q0\td0\n", "line 2: 2 fields where the first line names 3"),
        (sets.retrieval, "qrels.tsv", QRELS + "q0\td0\t1\n" * 2, "line 3: query 'q0' and document 'd0'"),
        (sets.retrieval, "qrels.tsv", QRELS + "q0\td0\thigh\n", "line 2: the score 'high' is not a whole"),
        (sets.retrieval, "qrels.tsv", QRELS + "q0\td0\t-1\n", "line 2: the score -1 is not between"),
        (sets.retrieval, "qrels.tsv", QRELS + "q0\td0\t0\n", "no query has a relevant document"),
        (sets.reranking, "rows.jsonl", '{"query": "?"}', "rows.jsonl, line 1: no field 'positive'"),
        (
            sets.reranking,
            "rows.jsonl",
            '{"query": "?", "positive": "!", "negative": []}',
            "line 1: 'positive' must be a list of texts",
        ),
        (
            sets.reranking,
            "rows.jsonl",
            '{"query": "?", "positive": ["\\ud800"], "negative": []}',
            "line 1: character 1 of 'positive' is a lone surrogate",
        ),
        (
            sets.reranking,
            "rows.jsonl",
            '{"query": "?", "positive": [], "negative": ["!"]}',
            "rows.jsonl: no row has a positive document",
        ),
        (sets.sts, "pairs.tsv", "sentence1\tscore\n", "line 1: no column 'sentence2'"),
        (sets.sts, "pairs.tsv", PAIRS + "a\tb\tnan\n", "line 2: the score 'nan' is not a number"),
        (
            sets.sts,
            "pairs.tsv",
            PAIRS + "a\tb\t1\na\tc\td\t1\n",
            "line 3: 4 fields where the first line names 3",
        ),
        (sets.sts, "pairs.tsv", PAIRS + "a\tb\t1\n", "pairs.tsv: all rows say the same"),
        (sets.sts, "pairs.tsv", PAIRS + "a\t\xff\t1\n", "pairs.tsv, line 2: byte 3 is not UTF-8"),
        (
            sets.pair_classification,
            "pairs.tsv",
            "sentence1\tsentence2\tlabel\na\tb\t2\n",
            "line 2: the label 2 is neither 0 nor 1",
        ),
        (
            sets.classification,
            "train.tsv",
            LABELLED + "a\tx\n",
            "train.tsv: there must be texts of two labels",
        ),
        (sets.clustering, "test.tsv", LABELLED, "test.tsv: there must be texts of two labels"),
        (sets.bitext, "deu.txt", "only one\n", "deu.txt: 1 lines where eng.txt has 60"),
        (sets.instruction_pairs, "rows.jsonl", "", "rows.jsonl is empty"),
    ],
)
def test_a_bad_file(tmp_path: Path, make: Maker, name: str, content: str, message: str) -> None:
    folder = make(tmp_path / "some")
    (folder / name).write_text(content, encoding="latin-1")
    with pytest.raises(InputError) as raised:
        read_task(folder)
    assert message in str(raised.value)
    assert name in str(raised.value) or "qrels.tsv" in str(raised.value)


@pytest.mark.parametrize("kind", sets.MAKERS)
def test_an_absent_file(tmp_path: Path, kind: str) -> None:
    folder = sets.MAKERS[kind](tmp_path / kind)
    for path in sorted(folder.iterdir()):
        if path.name == "meta.json":
            continue
        content = path.read_bytes()
        path.unlink()
        with pytest.raises(InputError, match=f"cannot read .*{path.name}: No such file"):
            read_task(folder)
        path.write_bytes(content)


def test_some_queries_lack_an_instruction(tmp_path: Path) -> None:
    folder = sets.retrieval(tmp_path / "some", queries=2)
    rows = [{"_id": "q0", "text": "?", "instruction": "well"}, {"_id": "q1", "text": "?"}]
    (folder / "queries.jsonl").write_text(sets.jsonl(rows))
    with pytest.raises(InputError, match=r"queries\.jsonl, line 2: no field 'instruction'"):
        read_task(folder)


def test_an_instruction_without_room_for_the_condition(tmp_path: Path) -> None:
    folder = sets.instruction_pairs(tmp_path / "some")
    meta = json.loads((folder / "meta.json").read_text())
    (folder / "meta.json").write_text(json.dumps(meta | {"instruction": "Alike in {0.__class__}"}))
    with pytest.raises(InputError, match=r"the instruction has no \{condition\}"):
        read_task(folder)

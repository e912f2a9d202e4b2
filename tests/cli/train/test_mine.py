import json
from pathlib import Path

import pytest

from quiver.train.rows import read_rows
from tests.cli.conftest import Shell

ROWS: list[dict[str, str | int]] = [
    {"query": "capital of China", "positive": "Beijing is the capital of China.", "page": 7},
    {"query": "what is gravity", "positive": "Gravity pulls bodies towards each other.", "task": "physics"},
]
CORPUS: list[str] = [
    "The capital of Kenya is Nairobi.",
    "",
    "Magnets attract iron.",
    "Beijing is  the capital of China.",
]


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return path


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    path = tmp_path / "corpus.txt"
    path.write_text("\n".join(CORPUS))
    return path


def test_rows_get_negatives_and_keep_their_fields(
    shell: Shell, rows: Path, corpus: Path, tmp_path: Path
) -> None:
    output = tmp_path / "rows.jsonl"
    run = shell("train", "mine", rows, "--corpus", corpus, "-n", 2, "-o", output)
    assert run.code == 0, run.err
    mined = read_rows([output])
    assert mined[0].negatives[0] == "The capital of Kenya is Nairobi."
    assert [(row.query, row.task, row.other) for row in mined] == [
        ("capital of China", None, {"page": 7}),
        ("what is gravity", "physics", {}),
    ]
    assert all(len(row.negatives) == 2 for row in mined)
    assert "2 rows (2 with 2 negatives) from 4 documents; left out: " in run.err
    assert "of positives" in run.err


def test_without_an_output_rows_go_to_standard_output(shell: Shell, rows: Path) -> None:
    run = shell("train", "mine", rows, "--seed", 1, "-q")
    assert (run.code, run.err) == (0, "")
    assert [record["query"] for record in run.records] == [row["query"] for row in ROWS]


def test_a_reranker_may_look_again(shell: Shell, rows: Path, corpus: Path) -> None:
    options = ["--corpus", corpus, "--reranker", "quiver-reranker-mini", "--highest-relevance", 0]
    run = shell("train", "mine", rows, *options)
    assert run.code == 0, run.err
    assert all("negatives" not in record for record in run.records)
    assert "relevant to the reranker" in run.err


def test_mistakes_are_one_line(shell: Shell, rows: Path, tmp_path: Path) -> None:
    assert shell("train", "mine").code == 2
    assert shell("train", "mine", rows, "--share-of-positive", 2).code == 2
    (tmp_path / "bad.jsonl").write_text('{"query": "q"}\n')
    output = tmp_path / "out.jsonl"
    for arguments, reason in (
        ([rows, "--first-rank", 5, "--last-rank", 4], "ranks 5 to 4"),
        ([tmp_path / "bad.jsonl"], "no positive"),
        ([tmp_path / "none.jsonl"], "cannot read"),
        ([rows, "--corpus", tmp_path / "none.txt"], "does not exist"),
        ([rows, "-m", tmp_path / "none"], "none"),
    ):
        run = shell("train", "mine", *arguments, "-o", output)
        assert (run.code, run.out) == (1, "")
        assert run.err.startswith("error: ")
        assert reason in run.err
        assert not output.exists()

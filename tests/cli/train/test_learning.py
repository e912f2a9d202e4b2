from pathlib import Path

import pytest

from quiver.train.rows import write_rows
from tests.cli.conftest import Shell
from tests.train.rows import make_rows


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    write_rows(path, make_rows(24, negatives=2))
    return path


FAST = ("--max-steps", 2, "--batch-size", 8, "--max-length", 256, "--learning-rate", 1e-3)


@pytest.mark.parametrize("command", ["embedder", "reranker", "distill"])
def test_every_command_trains_and_tells_before_and_after(
    shell: Shell, rows: Path, tmp_path: Path, embedder_folder: Path, reranker_folder: Path, command: str
) -> None:
    model = reranker_folder if command == "reranker" else embedder_folder
    teacher = ("--teacher", embedder_folder) if command == "distill" else ()
    options = (*FAST, "--evaluate", rows, "--model", model, *teacher)
    run = shell("train", command, rows, "--out", tmp_path / "out", *options)
    assert run.code == 0, run.err
    assert "nDCG@10 on the rows set aside" in run.out
    assert "24 rows, 2 steps" in run.err
    assert (tmp_path / "out" / "model.safetensors").exists()


def test_what_cannot_be_trained_is_one_line(
    shell: Shell, rows: Path, tmp_path: Path, embedder_folder: Path
) -> None:
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"query": "q"}\n')
    for arguments, reason in (
        ([bad, "--out", tmp_path / "a"], "line 1: no positive"),
        ([rows, "--out", tmp_path], "is not empty"),
        ([rows, "--out", tmp_path / "b", "--learning-rate", "0"], "learning_rate"),
        ([rows, "--out", tmp_path / "c", "--dim", "4096", "-m", embedder_folder], "between 1 and 64"),
    ):
        run = shell("train", "embedder", *arguments)
        assert run.code == 1
        assert run.err.startswith("error: ")
        assert reason in run.err


def test_help_shows_the_options_that_commands_share(shell: Shell) -> None:
    for command in ("embedder", "reranker", "distill"):
        run = shell("train", command, "--help")
        assert run.code == 0
        for option in ("--epochs", "--lora-rank", "--evaluate", "--out", "Examples:"):
            assert option in run.out

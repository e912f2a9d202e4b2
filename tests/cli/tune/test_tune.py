"""``quiver tune``: labels in, a table and a recommendation out."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from quiver.cli.loading import ModelOptions
from quiver.cli.tune import depth, dims, instruction, threshold
from tests.cli.conftest import Shell, finished
from tests.evaluate.tune.world import NoisyEncoder

COMMANDS = {"instruction": instruction, "dims": dims, "threshold": threshold, "depth": depth}


class Judge:
    def predict(self, pairs: list[tuple[str, str]], **options: Any) -> Any:
        right = [query.split()[-1] == document.split()[-1] for query, document in pairs]
        return np.asarray(right, dtype=np.float32)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[ModelOptions]:
    """What was asked of the models that a command opened; none has weights."""
    asked: list[ModelOptions] = []

    def load_embedder(options: ModelOptions, *, dimension: int | None) -> NoisyEncoder:
        asked.append(options)
        return NoisyEncoder({"Find it": 0.3}, usual=1.5)

    def load_reranker(options: ModelOptions) -> Judge:
        asked.append(options)
        return Judge()

    for command in COMMANDS.values():
        monkeypatch.setattr(command, "load_embedder", load_embedder)
    for command in (threshold, depth):
        monkeypatch.setattr(command, "load_reranker", load_reranker)
    return asked


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    path = tmp_path / "labels.csv"
    rows = "".join(f"query {number},document {number}\n" for number in range(120))
    path.write_text(f"query,document\n{rows}")
    return path


def lines(out: str) -> dict[str, str]:
    """The recommendation's lines by their first word."""
    found = (line.split(maxsplit=1) for line in out.splitlines() if line.strip())
    return {words[0]: words[1] for words in found if len(words) > 1}


def test_instruction(shell: Shell, opened: list[ModelOptions], labels: Path, tmp_path: Path) -> None:
    candidates = tmp_path / "candidates.txt"
    candidates.write_text("Find it\n\nLose it\n")
    run = shell("tune", "instruction", labels, "--candidates", candidates)
    assert run.code == 0, run.err
    said = lines(run.out)
    assert said["recommended"] == "Find it"
    assert said["confidence"] == "holds on the other half of the queries"
    assert said["shell"] == "quiver embed --instruction 'Find it' --input queries.txt"
    assert "120 labelled queries over 120 documents" in run.err
    assert opened[0].truncate


def test_dims_in_two_precisions(shell: Shell, opened: list[ModelOptions], labels: Path) -> None:
    run = shell("tune", "dims", labels, "--dtype", "float32", "--also", "int8", "--dim", 32, "--model", "m/m")
    assert run.code == 0, run.err
    assert [(options.model, options.dtype) for options in opened] == [("m/m", "float32"), ("m/m", "int8")]
    assert lines(run.out)["python"].startswith('Embedder("m/m", dtype=')


def test_threshold_writes_a_page(
    shell: Shell, opened: list[ModelOptions], labels: Path, tmp_path: Path
) -> None:
    page = tmp_path / "advice.html"
    run = shell("tune", "threshold", labels, "--candidates", 10, "--html", page, "--quiet")
    assert (run.code, run.err) == (0, "")
    assert lines(run.out)["recommended"].startswith("keep documents that score 0.")
    assert "Reliability of the scores" in page.read_text()


def test_depth_and_the_names_of_models(shell: Shell, opened: list[ModelOptions], labels: Path) -> None:
    run = shell("tune", "depth", labels, "--depth", 5, "--depth", 50, "--reranker", "r/r", "-m", "m/m")
    assert run.code == 0, run.err
    assert [options.model for options in opened] == ["m/m", "r/r"]
    assert lines(run.out)["shell"].startswith('quiver search "…" --reranker r/r --rerank-top 5')


def test_mistakes_are_one_line(
    shell: Shell, opened: list[ModelOptions], labels: Path, tmp_path: Path
) -> None:
    labels.write_text("query,document\nq,\x1b[2J\n")
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("a\n")
    run = shell("tune", "dims", labels, "--corpus", corpus)
    assert run.code == 1
    assert run.err.startswith("error: ")
    assert "line 2" in run.err
    assert "\x1b" not in run.err
    empty = tmp_path / "empty.txt"
    empty.write_text("\n")
    run = shell("tune", "instruction", labels, "--candidates", empty)
    assert "holds no instructions" in run.err


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_examples(shell: Shell, command: str) -> None:
    run = shell("tune", command, "--help")
    assert run.code == 0
    assert f"quiver tune {command} labels.csv" in run.out


def test_the_built_in_models(tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("query,document\nhow to undo a commit,git reset\nlist files,ls shows files\n")
    run = finished("tune", "depth", labels, "--depth", 2, module="quiver")
    assert run.code == 0, run.err
    assert "There are only 2 labelled queries over 2 documents" in run.out

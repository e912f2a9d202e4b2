import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from quiver.cli import evaluate
from quiver.cli.loading import ModelOptions
from tests.cli.conftest import Shell, finished
from tests.evaluate import sets
from tests.evaluate.sets import FixedEncoder


class Judge:
    def predict(self, pairs: list[tuple[str, str]], **options: Any) -> Any:
        return np.arange(len(pairs), dtype=np.float32)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[ModelOptions]:
    """What was asked of the models that a command opened; none has weights."""
    asked: list[ModelOptions] = []

    def load_embedder(options: ModelOptions, *, dimension: int | None) -> FixedEncoder:
        asked.append(options)
        return FixedEncoder()

    def load_reranker(options: ModelOptions) -> Judge:
        asked.append(options)
        return Judge()

    monkeypatch.setattr(evaluate, "load_embedder", load_embedder)
    monkeypatch.setattr(evaluate, "load_reranker", load_reranker)
    return asked


def test_a_table_by_type_with_means(shell: Shell, opened: list[ModelOptions], tmp_path: Path) -> None:
    folders = [sets.retrieval(tmp_path / "a"), sets.sts(tmp_path / "b")]
    run = shell("evaluate", *folders, "--compare", "bm25", "--dim", 8, "--dim", 4)
    assert run.code == 0
    mini = "quiver-embedding-mini"
    names, _, table = run.out.partition("\n\n")
    assert names.splitlines() == [f"(1) {mini}", f"(2) {mini}@8", f"(3) {mini}@4", "(4) BM25"]
    head, *rows = [line.split() for line in table.splitlines() if "─" not in line]
    assert head == ["set", "metric", "(1)", "(2)", "(3)", "(4)"]
    assert [row[0] for row in rows] == ["a", "retrieval,", "b", "sts,"]
    assert rows[0][2:] == rows[1][-4:]
    assert rows[2][-1] == "–"
    assert run.err.splitlines()[0].startswith(f"a: {mini}: ndcg@10 0.")
    assert opened[0].truncate


def test_a_reranker(shell: Shell, opened: list[ModelOptions], tmp_path: Path) -> None:
    folder = sets.retrieval(tmp_path / "a")
    run = shell("evaluate", folder, "--model", "some/model", "--reranker", "builtin", "--rerank-top", 3)
    assert run.code == 0
    assert "some/model + quiver-reranker-mini" in run.out
    assert [options.model for options in opened] == ["some/model", None]
    run = shell("evaluate", folder, "--reranker", "some/judge", "--quiet")
    assert "quiver-embedding-mini + some/judge" in run.out
    assert run.err == ""


def test_a_second_run_takes_the_scores_from_the_file(
    shell: Shell, opened: list[ModelOptions], tmp_path: Path
) -> None:
    folder, path = sets.sts(tmp_path / "a"), tmp_path / "results.json"
    first = shell("evaluate", folder, "--json", path)
    assert first.code == 0
    assert [result["set"] for result in json.loads(path.read_text())["results"]] == ["a"]
    assert shell("evaluate", folder, "--json", path).out == first.out


@pytest.mark.parametrize("system", ["tfidf", "sentence-transformers", "bm25:x"])
def test_nothing_to_compare_with(
    shell: Shell, opened: list[ModelOptions], tmp_path: Path, system: str
) -> None:
    run = shell("evaluate", tmp_path, "--compare", system)
    assert run.code == 2
    assert "give bm25 or" in run.err
    assert "sentence-transformers:NAME" in run.err


def test_a_bad_file_is_one_line(shell: Shell, opened: list[ModelOptions], tmp_path: Path) -> None:
    folder = sets.sts(tmp_path / "a")
    (folder / "pairs.tsv").write_text("sentence1\tsentence2\tscore\n\x1b[2J\n")
    run = shell("evaluate", folder)
    assert run.code == 1
    assert run.err.startswith("error: ")
    assert "pairs.tsv, line 2: 1 fields where the first line names 3" in run.err
    assert "\x1b" not in run.err


def test_the_built_in_models(tmp_path: Path) -> None:
    folder = sets.retrieval(tmp_path / "a", queries=4, documents=20)
    run = finished("evaluate", folder, "--reranker", "builtin", "--rerank-top", 5, module="quiver")
    assert run.code == 0, run.err
    assert run.out.count("quiver-embedding-mini") == 2

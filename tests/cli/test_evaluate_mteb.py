"""``quiver evaluate`` through mteb, beside the published tables, and behind a gate."""

import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from quiver.cli import evaluate, evaluate_mteb
from quiver.cli.compared import write_compared
from quiver.cli.loading import ModelOptions
from quiver.evaluate.published.tasks import published_task_scores, published_tasks
from quiver.evaluate.scores import TaskScore
from tests.cli.conftest import Shell
from tests.evaluate import sets
from tests.evaluate.mteb.conftest import Overlap
from tests.evaluate.sets import FixedEncoder


class Aimless(FixedEncoder):
    """Vectors that know nothing of topics."""

    def vector(self, text: str) -> Any:
        return super().vector(text[::-1])


@pytest.fixture(autouse=True)
def opened(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[ModelOptions]]:
    """What was asked of the models that a command opened; none has weights."""
    pytest.importorskip("mteb", reason="needs mteb")
    asked: list[ModelOptions] = []

    def load_embedder(options: ModelOptions, *, dimension: int | None) -> FixedEncoder:
        asked.append(options)
        return Aimless() if options.model == "some/worse" else FixedEncoder()

    def load_reranker(options: ModelOptions) -> Overlap:
        asked.append(options)
        return Overlap()

    for command in (evaluate, evaluate_mteb):
        monkeypatch.setattr(command, "load_embedder", load_embedder)
        monkeypatch.setattr(command, "load_reranker", load_reranker)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield asked


def table(out: str) -> list[list[str]]:
    return [line.split() for line in out.splitlines() if line and "─" not in line]


def test_folders_through_mteb(shell: Shell, tmp_path: Path) -> None:
    folders = [sets.retrieval(tmp_path / "a"), sets.sts(tmp_path / "b")]
    results = tmp_path / "results"
    run = shell("eval", *folders, "--results", results, "--reranker", "builtin", "--rerank-top", 5)
    assert run.code == 0, run.err
    lines = table(run.out)
    assert lines[:2] == [
        ["(1)", "quiver-embedding-mini"],
        ["(2)", "quiver-embedding-mini", "+", "quiver-reranker-mini"],
    ]
    assert [line[:2] for line in lines[3:5]] == [["a", "Retrieval"], ["b", "STS"]]
    assert lines[-1][:5] == ["mean", "by", "task", "2", "tasks"]
    assert lines[-1][-1] == "–"
    assert "a: quiver-embedding-mini: " in run.err
    filed = sorted(path.name for path in (results / "results").rglob("*.json"))
    assert filed == ["a.json", "a.json", "b.json", "model_meta.json", "model_meta.json"]


def test_rankings_of_an_earlier_run(shell: Shell, opened: list[ModelOptions], tmp_path: Path) -> None:
    folder, results = sets.retrieval(tmp_path / "a"), tmp_path / "results"
    both = shell("evaluate", folder, "--results", results, "--reranker", "some/judge", "--quiet")
    [lists] = (results / "rankings").glob("*/*")
    opened.clear()
    again = ("--results", tmp_path / "again", "--candidates", lists, "--reranker", "some/judge", "--quiet")
    alone = shell("evaluate", folder, *again)
    assert [options.model for options in opened] == ["some/judge"]
    assert table(alone.out)[0] == ["(1)", "some/judge"]
    assert table(alone.out)[2][-1] == table(both.out)[3][-1]


def test_a_failed_task_ends_in_an_error(
    shell: Shell, opened: list[ModelOptions], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    chosen = ("--task", "STS12", "--results", tmp_path / "results")
    run = shell("evaluate", "mteb(eng, v2)", *chosen)
    assert run.code == 1
    assert "STS12: quiver-embedding-mini: failed: its data set mteb/sts12-sts cannot be" in run.err
    assert run.err.splitlines()[-1] == "error: 1 task failed; the same command runs only what failed"
    assert opened[0].max_length == 8192


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("FollowIR", "MLDR"), "FollowIR runs alone"),
        (("FollowIR", "--compare", "bm25"), "takes no --compare"),
        (("FollowIR", "--dim", 4, "--dim", 8), "one --dim at most"),
        (("FollowIR", "--task", "STS12", "--candidates", "x"), "has no task 'STS12'"),
        (("FollowIR", "--candidates", "x"), "give --reranker"),
    ],
)
def test_what_does_not_fit_together(shell: Shell, arguments: tuple[Any, ...], message: str) -> None:
    run = shell("evaluate", *arguments)
    assert run.code in (1, 2)
    assert message in " ".join(run.err.replace("│", " ").split())


ENGLISH = "MTEB(eng, v2)"


def measured(*types: str) -> list[TaskScore]:
    known = published_task_scores(ENGLISH, "Qwen3-Embedding-8B")
    return [
        TaskScore(task=task.name, type=task.type, score=known[task.name] / 100)
        for task in published_tasks(ENGLISH)
        if task.type in types
    ]


def test_beside_the_published_table(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    write_compared({"Qwen/Qwen3-Embedding-8B": measured("STS")}, ENGLISH, ())
    out = capsysbinary.readouterr().out.decode()
    title, _, *lines = table(out)
    assert " ".join(title) == "Qwen/Qwen3-Embedding-8B beside Qwen3-Embedding-8B in MTEB (Eng v2)"
    assert lines[0] == [
        "Mean(Task)",
        "9/41",
        "88.58",
        "88.58",
        "+0.00",
        "–",
        "on",
        "the",
        "measured",
        "tasks",
        "only",
    ]
    assert lines[2][:4] == ["STS", "9/9", "88.58", "88.58"]


def test_beside_other_rows(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    write_compared({"own/model": measured("STS")}, ENGLISH, ())
    assert "own/model beside Qwen3-Embedding-0.6B in" in capsysbinary.readouterr().out.decode()
    write_compared({"own/model": measured("STS")}, ENGLISH, ["NV-Embed-v2", "GritLM-7B"])
    out = capsysbinary.readouterr().out.decode()
    assert "beside NV-Embed-v2 in MTEB (Eng v2)" in out
    assert "beside GritLM-7B in MTEB (Eng v2)" in out


def test_the_rerankers_table(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    """It is that of what reorders lists, and of embedders on benchmarks that have no table of their own."""
    long = [TaskScore(task="MultiLongDocRetrieval", type="Retrieval", score=0.5)]
    write_compared({"own/model + own/judge": measured("Retrieval")}, ENGLISH, ())
    write_compared({"own/model": long}, "MLDR", ())
    out = capsysbinary.readouterr().out.decode()
    assert "own/model + own/judge beside Qwen3-Reranker-0.6B in Reranker" in out
    assert "own/model beside Qwen3-Embedding-0.6B in Reranker" in out


def test_the_gate(shell: Shell, tmp_path: Path) -> None:
    folder, baseline = sets.retrieval(tmp_path / "a"), tmp_path / "baseline.json"
    written = shell("evaluate", folder, "--write-baseline", baseline, "--allow-loss", 0.002)
    assert written.code == 0
    assert json.loads(baseline.read_text())["allowed_loss"] == 0.002
    passed = shell("evaluate", folder, "--gate", baseline, "--model", "some/other")
    assert passed.code == 0
    assert table(passed.out)[-1][-1] == "ok"
    short = shell("evaluate", folder, "--gate", baseline, "--model", "some/worse", "--quiet")
    assert short.code == 1
    assert table(short.out)[-1][-1] == "short"
    assert short.err.startswith("error: 1 of 1 scores are missing or more than 0.002 below ")
    assert shell("evaluate", folder, "--gate", baseline, "--model", "some/worse", "--allow-loss", 1).code == 0


def test_the_gate_of_a_run_of_mteb(shell: Shell, tmp_path: Path) -> None:
    folder, baseline = sets.retrieval(tmp_path / "a"), tmp_path / "baseline.json"
    through = ("--results", tmp_path / "results", "--quiet")
    assert shell("evaluate", folder, *through, "--write-baseline", baseline).code == 0
    assert shell("evaluate", folder, *through, "--gate", baseline).code == 0
    assert shell("evaluate", folder, *through, "--gate", baseline, "--model", "some/worse").code == 1

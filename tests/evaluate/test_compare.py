"""Comparison with the published tables: whole columns with the table's number, others on the shared tasks."""

import pytest

from quiver.evaluate.compare import Compared, compare
from quiver.evaluate.published import published_table
from quiver.evaluate.published.tasks import published_task_scores, published_tasks
from quiver.evaluate.scores import TaskScore

ENGLISH, MODEL = "MTEB(eng, v2)", "Qwen3-Embedding-4B"


def published_again(*types: str, benchmark: str = ENGLISH) -> list[TaskScore]:
    """What the model would have measured, had nothing changed."""
    known = published_task_scores(benchmark, MODEL)
    return [
        TaskScore(task=task.name, type=task.type, score=known[task.name] / 100)
        for task in published_tasks(benchmark)
        if task.type in types or not types
    ]


def compared(
    measured: list[TaskScore], benchmark: str = ENGLISH, table: str = "english", model: str = MODEL
) -> dict[str, Compared]:
    row = published_table(table).row(model)
    assert row is not None
    return {each.column.name: each for each in compare(measured, benchmark, published_table(table), row)}


def test_a_whole_benchmark() -> None:
    found = compared(published_again())
    assert list(found) == [column.name for column in published_table("english").columns]
    assert all(each.is_whole for each in found.values())
    assert found["Mean(Task)"].published == 74.60
    for each in found.values():
        assert each.difference == pytest.approx(0, abs=0.011)


def test_a_whole_type_is_compared_and_the_means_on_its_tasks() -> None:
    found = compared(published_again("STS"))
    assert list(found) == ["Mean(Task)", "Mean(Type)", "STS"]
    assert (found["STS"].tasks, found["STS"].published, found["STS"].is_whole) == (9, 88.72, True)
    mean = found["Mean(Task)"]
    assert (mean.tasks, mean.tasks_in_column, mean.is_whole) == (9, 41, False)
    assert mean.published == pytest.approx(88.72, abs=0.01)
    assert mean.difference == pytest.approx(0, abs=1e-9)


def test_some_tasks_are_compared_on_those_only() -> None:
    two = published_again("Retrieval")[:2]
    better = [TaskScore(task=score.task, type=score.type, score=score.score + 0.01) for score in two]
    found = compared(better)["Retri."]
    assert (found.tasks, found.tasks_in_column) == (2, 10)
    assert found.difference == pytest.approx(1.0)
    assert found.published != 68.46


def test_a_row_without_scores_by_task_has_only_whole_columns() -> None:
    code = published_again(benchmark="MTEB(Code, v1)")
    whole = compared(code, "MTEB(Code, v1)", "reranking", "Qwen3-Reranker-4B")["MTEB-Code"]
    part = compared(code[:3], "MTEB(Code, v1)", "reranking", "Qwen3-Reranker-4B")["MTEB-Code"]
    assert (whole.published, whole.tasks) == (81.20, 12)
    assert (part.published, part.difference, part.tasks) == (None, None, 3)


def test_data_sets_with_a_column_of_their_own() -> None:
    long = [TaskScore(task="MultiLongDocRetrieval", type="Retrieval", score=0.5026)]
    instructed = [TaskScore(task="Robust04InstructionRetrieval", type="InstructionReranking", score=0.1)]
    found = compared(long, "MLDR", "reranking", "Qwen3-Embedding-0.6B")
    assert found["MLDR"].difference == pytest.approx(0)
    found = compared(instructed, "FollowIR", "reranking", "Qwen3-Embedding-0.6B")
    assert list(found) == ["FollowIR"]
    assert (found["FollowIR"].tasks, found["FollowIR"].tasks_in_column) == (1, 3)
    assert found["FollowIR"].published is not None


def test_the_difference_is_as_sure_as_the_queries_allow() -> None:
    by_query = {"test/default": {str(query): float(query % 2) for query in range(100)}}
    measured = [TaskScore(task="MultiLongDocRetrieval", type="Retrieval", score=0.5, by_query=by_query)]
    found = compared(measured, "MLDR", "reranking", "Qwen3-Embedding-0.6B")["MLDR"]
    assert found.uncertainty is not None
    assert found.difference == pytest.approx(-0.26)
    assert (found.uncertainty.low, found.uncertainty.high) == pytest.approx((-10.1, 9.5), abs=2)


def test_nothing_in_common() -> None:
    assert compared([TaskScore(task="own", type="STS", score=0.5)]) == {}

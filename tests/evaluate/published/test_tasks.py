"""Published scores by task: their means are the tables' columns."""

import math

import pytest

from quiver.evaluate.published import published_table
from quiver.evaluate.published.tasks import FILES, published_task_scores, published_tasks
from quiver.evaluate.scores import TaskScore, mean

SIZES = {
    "MTEB(Multilingual, v2)": 131,
    "MTEB(eng, v2)": 41,
    "MTEB(cmn, v1)": 31,
    "MTEB(Code, v1)": 12,
    "FollowIR": 3,
}

SINCE_CHANGED = {
    ("multilingual", "multilingual-e5-large-instruct"),
    ("multilingual", "text-embedding-3-large"),
    ("multilingual", "Cohere-embed-multilingual-v3.0"),
    ("english", "Qwen3-Embedding-0.6B"),
    ("chinese", "multilingual-e5-large-instruct"),
    ("chinese", "bge-multilingual-gemma2"),
}
"""Rows of which mteb's results have some task otherwise than when the tables were printed."""

ROUNDING = 0.0101
"""Of the printed number, and of the tasks' scores in older results."""


@pytest.mark.parametrize(("benchmark", "tasks"), SIZES.items())
def test_every_task_of_a_benchmark(benchmark: str, tasks: int) -> None:
    assert len(published_tasks(benchmark)) == tasks


def test_a_benchmark_without_single_scores() -> None:
    assert published_tasks("MLDR") == ()


@pytest.mark.parametrize(("name", "columns"), [("multilingual", 83), ("english", 87), ("chinese", 55)])
def test_columns_whose_every_task_is_known_are_the_tables(name: str, columns: int) -> None:
    table = published_table(name)
    benchmark = table.columns[0].benchmark
    equal = 0
    for row in table.rows:
        known = published_task_scores(benchmark, row.model)
        scores = [
            TaskScore(task=task.name, type=task.type, score=known.get(task.name, math.nan))
            for task in published_tasks(benchmark)
        ]
        for column, printed in table.by_column(row).items():
            off = abs(mean(scores, column.measure) - float(printed))
            equal += off < ROUNDING
            assert math.isnan(off) or off < ROUNDING or (name, row.model) in SINCE_CHANGED
    assert equal == columns


def test_the_code_column_of_the_rerankers_table() -> None:
    scores = published_task_scores("MTEB(Code, v1)", "Qwen/Qwen3-Embedding-0.6B")
    assert sum(scores.values()) / len(scores) == pytest.approx(75.41, abs=ROUNDING)


def test_every_file_names_models_of_a_table() -> None:
    for benchmark in FILES:
        models = {model for task in published_tasks(benchmark) for model in task.scores}
        known = {
            row.model for name in ("multilingual", "english", "chinese") for row in published_table(name).rows
        }
        assert models <= known

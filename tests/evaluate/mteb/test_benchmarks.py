"""Benchmarks by name, with the tasks that the published tables count."""

import pytest

from quiver.errors import InputError
from quiver.evaluate.mteb import BENCHMARKS, benchmark_name, benchmark_tasks
from quiver.evaluate.published import published_tables, published_tasks


def test_every_benchmark_of_the_published_tables() -> None:
    columns = {column.benchmark for table in published_tables() for column in table.columns}
    assert columns == set(BENCHMARKS)


@pytest.mark.parametrize("benchmark", [name for name in BENCHMARKS if name != "MLDR"])
def test_the_tasks_are_those_of_the_published_scores(benchmark: str) -> None:
    ours = [(task.name, task.type) for task in published_tasks(benchmark)]
    assert sorted(ours) == sorted(
        (task.metadata.name, task.metadata.type) for task in benchmark_tasks(benchmark)
    )


def test_tasks_that_the_tables_count_by_one_split() -> None:
    [long_documents] = benchmark_tasks("MLDR")
    [sentiment] = benchmark_tasks("MTEB(cmn, v1)", ["MultilingualSentiment"])
    assert (long_documents.metadata.main_score, list(long_documents.eval_splits)) == ("ndcg_at_10", ["test"])
    assert list(sentiment.eval_splits) == ["validation"]


@pytest.mark.parametrize("text", ["MTEB(eng, v2)", "mteb(eng,v2)", "MTEB(ENG, V2)"])
def test_a_name_in_any_spelling(text: str) -> None:
    assert benchmark_name(text) == "MTEB(eng, v2)"


def test_what_is_no_benchmark() -> None:
    assert benchmark_name("sets/stsb-en") is None
    with pytest.raises(
        InputError, match="FollowIR has no task 'STS12'; it has Robust04InstructionRetrieval, "
    ):
        benchmark_tasks("FollowIR", ["STS12"])

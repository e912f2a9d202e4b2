"""Means as the published tables define them, and how sure they are."""

import math

import pytest

from quiver.evaluate.published.tables import MEAN_BY_TASK, MEAN_BY_TYPE
from quiver.evaluate.scores import TaskScore, interval, mean


def score(task: str, kind: str, value: float, *parts: list[float]) -> TaskScore:
    by_query = {str(part): {str(q): one for q, one in enumerate(ones)} for part, ones in enumerate(parts)}
    return TaskScore(task=task, type=kind, score=value, by_query=by_query)


SCORES = [score("a", "STS", 0.2), score("b", "Retrieval", 0.4), score("c", "Retrieval", 0.9)]


@pytest.mark.parametrize(
    ("measure", "expected"),
    [(MEAN_BY_TASK, 0.5), (MEAN_BY_TYPE, (0.2 + 0.65) / 2), ("STS", 0.2), ("Retrieval", 0.65)],
)
def test_means(measure: str, expected: float) -> None:
    assert mean(SCORES, measure) == pytest.approx(expected)


def test_a_mean_of_nothing() -> None:
    assert math.isnan(mean(SCORES, "Clustering"))


def test_no_interval_unless_every_query_has_a_score() -> None:
    known = score("d", "Retrieval", 0.5, [0.0, 1.0])
    assert interval([known], "Retrieval") is not None
    assert interval([*SCORES, known], "Retrieval") is None
    assert interval([SCORES[0], known], "Retrieval") is not None
    assert interval([], "Retrieval") is None


def test_the_interval_of_a_mean_of_a_hundred_coins() -> None:
    """Half of a hundred queries are found: the standard error is 0.05, and 95 % lie within 1.96 of it."""
    coins = score("coins", "Retrieval", 0.5, [0.0, 1.0] * 50)
    found = interval([coins], MEAN_BY_TASK)
    assert found is not None
    assert (found.low, found.high) == pytest.approx((0.402, 0.598), abs=0.02)


def test_parts_count_alike_however_many_queries_they_have() -> None:
    """A part of two queries is as unsure in a task as it is alone, halved."""
    sure, unsure = [0.5] * 1000, [0.0, 1.0]
    found = interval([score("a", "Retrieval", 0.5, sure, unsure)], "Retrieval")
    assert found is not None
    assert (found.low, found.high) == pytest.approx((0.25, 0.75))

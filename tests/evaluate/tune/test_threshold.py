"""Scores whose meaning is known: relevance is drawn with the probability that a logistic curve gives."""

import zlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from quiver.errors import InputError
from quiver.evaluate.ranking import RankingTask
from quiver.evaluate.report import to_html
from quiver.evaluate.tune import Verdict, tune_threshold
from quiver.evaluate.tune.calibration import calibrate
from quiver.evaluate.tune.cutoffs import Cutoffs, Goal, Pairs
from quiver.results import Floats
from tests.evaluate.tune.world import NoisyEncoder, world

SLOPE, OFFSET = 2.0, -4.0


class Judge:
    def predict(
        self,
        pairs: Sequence[tuple[str, str]],
        *,
        instruction: str | Sequence[str] | None = None,
        show_progress_bar: bool | None = None,
    ) -> Floats:
        return np.asarray([odds(*pair) for pair in pairs], dtype=np.float32)


def odds(query: str, document: str) -> float:
    return float(chance(query, document).normal(0, 2))


def is_relevant(query: str, document: str) -> bool:
    generator = chance(query, document)
    own = SLOPE * generator.normal(0, 2) + OFFSET
    return bool(generator.random() < 1 / (1 + np.exp(-own)))


def chance(query: str, document: str) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(f"{query} {document}".encode()))


def drawn(queries: int) -> RankingTask:
    """Labels in which every pair's relevance is drawn."""
    task = world(queries, documents=30)
    grades = {
        own: {
            name: int(is_relevant(query, text))
            for name, text in zip(task.document_ids, task.documents, strict=True)
        }
        for own, query in zip(task.query_ids, task.queries, strict=True)
    }
    return replace(task, grades=grades)


class Anywhere(NoisyEncoder):
    """Finds documents in some order."""


def tune(queries: int, precision: float | None = None):  # type: ignore[no-untyped-def]  # noqa: ANN201
    return tune_threshold(drawn(queries), Anywhere(), Judge(), precision=precision)


def test_the_curve_behind_the_scores_is_found() -> None:
    generator = np.random.default_rng(1)
    found = generator.normal(0, 2, 20_000)
    relevant = generator.random(20_000) < 1 / (1 + np.exp(-(SLOPE * found + OFFSET)))
    calibration = calibrate(Pairs(np.arange(20_000), found, relevant, 20_000))
    assert calibration.slope == pytest.approx(SLOPE, abs=0.15)
    assert calibration.offset == pytest.approx(OFFSET, abs=0.25)
    mean = calibration.probabilities(np.asarray([2.0]))[0]
    assert mean == pytest.approx(0.5, abs=0.03)


def test_the_best_f1_lies_where_it_should() -> None:
    """With this curve F1 is best where relevance is a little less likely than not."""
    advice = tune(200)
    assert advice.verdict is Verdict.HOLDS
    assert 0.75 < advice.value < 0.9
    assert "Its F1 is +" in advice.reason
    assert f">= {advice.value:.4f}" in advice.python


def test_a_wanted_precision_is_kept_on_other_queries() -> None:
    advice = tune(400, precision=0.8)
    assert advice.verdict is Verdict.HOLDS
    assert advice.value > tune(400, precision=0.5).value
    kept = [
        is_relevant(query, document)
        for query in (f"query {number}" for number in range(1000, 1200))
        for document in (f"document {number}" for number in range(30))
        if 1 / (1 + np.exp(-odds(query, document))) >= advice.value
    ]
    assert np.mean(kept) > 0.78


def test_queries_of_the_same_text_stay_apart() -> None:
    task = drawn(40)
    twins = replace(task, queries=["query 0", *task.queries[1:39], "query 0"])
    assert tune_threshold(twins, Anywhere(), Judge()).table.rows


def test_few_queries_leave_the_default() -> None:
    advice = tune(10)
    assert (advice.value, advice.verdict) == (0.5, Verdict.UNCLEAR)


def test_precision_that_cannot_be_had() -> None:
    pairs = Pairs(np.arange(4), np.asarray([4.0, 3, 2, 1]), np.asarray([False, True, False, True]), 4)
    assert Cutoffs(pairs).best(Goal(0.9)) is None
    assert Cutoffs(pairs).best(Goal()) == pytest.approx(1)
    assert Cutoffs(pairs).best(Goal(0.1)) == pytest.approx(1)
    assert Cutoffs(pairs).precision(2.5).mean == 0.5
    assert Cutoffs(pairs).recall(2.5).mean == 0.5
    assert Cutoffs(pairs).f1(2.5).mean == 0.5


def test_the_page_has_the_reliability_plot() -> None:
    page = to_html(tune(40).page())
    assert "Reliability of the scores" in page
    assert 'class="diagonal"' in page


def test_nothing_to_tell_apart() -> None:
    task = world(20)
    nothing = replace(task, grades={query: {"absent": 1} for query in task.query_ids})
    with pytest.raises((InputError, KeyError)):
        tune_threshold(nothing, NoisyEncoder(), Judge())
    with pytest.raises(InputError, match="a share up to 1"):
        tune_threshold(task, NoisyEncoder(), Judge(), precision=90)

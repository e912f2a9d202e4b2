"""Scores of retrievers beside log-odds: comparable whatever their scale."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quiver.interpolation import interpolated, retrieval_weight_of, standardised

SCORES = st.lists(st.integers(-1000, 1000).map(float), min_size=2, max_size=30)


@given(SCORES)
def test_a_spread_is_one_around_nothing(scores: list[float]) -> None:
    heights = standardised(scores)
    assert heights.mean() == pytest.approx(0, abs=1e-5)
    assert heights.std() == pytest.approx(float(len(set(scores)) > 1), abs=1e-5)


@given(SCORES, st.sampled_from([0.001, 1.0, 50.0]), st.integers(-5, 5))
def test_no_scale_and_no_offset_matters(scores: list[float], scale: float, offset: int) -> None:
    other = [scale * score + offset for score in scores]
    np.testing.assert_allclose(standardised(other), standardised(scores), atol=1e-4)


@pytest.mark.parametrize("scores", [[], [0.3], [0.1 + 0.2, 0.3]])
def test_scores_that_are_alike_say_nothing(scores: list[float]) -> None:
    assert not standardised(scores).any()


def test_a_model_that_does_not_say_is_left_alone() -> None:
    assert retrieval_weight_of(object()) == 0
    assert retrieval_weight_of(None) == 0


@given(SCORES, st.sampled_from([0.0, 0.5, 1.0, 3.0]), st.sampled_from([0.01, 7.0]))
def test_a_height_counts_in_spreads_of_the_log_odds(odds: list[float], weight: float, scale: float) -> None:
    heights = standardised(list(range(len(odds))))
    sums = interpolated(odds, heights, weight)
    spread = np.std(odds) or 1.0
    np.testing.assert_allclose(sums, odds + weight * spread * heights, rtol=1e-5, atol=1e-3)
    if len(set(odds)) > 1:
        other = interpolated([scale * each for each in odds], heights, weight)
        np.testing.assert_allclose(other, scale * sums, rtol=1e-4, atol=1e-2)


def test_where_a_model_tells_no_two_apart_the_rest_decides() -> None:
    heights = standardised([1.0, 3.0, 2.0])
    assert np.argmax(interpolated([0.25, 0.25, 0.25], heights, 1.0)) == 1
    assert interpolated([0.5], standardised([0.9]), 1.0).tolist() == [0.5]

"""Scores of retrievers beside log-odds: comparable whatever their scale."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quiver.interpolation import retrieval_weight_of, standardised

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

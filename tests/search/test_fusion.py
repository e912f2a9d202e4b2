"""Reciprocal rank fusion beside its formula."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quiver.search.fusion import fuse

rankings = st.lists(st.lists(st.integers(0, 9), unique=True), max_size=4)


def test_an_item_that_both_like_wins() -> None:
    fused = fuse([["a", "b", "c"], ["b", "d"]])
    assert [item for item, _ in fused] == ["b", "a", "d", "c"]
    assert fused[0][1] == pytest.approx(1 / 62 + 1 / 61)


@given(rankings)
def test_scores_are_the_sums_of_reciprocal_ranks(given_rankings: list[list[int]]) -> None:
    fused = fuse(given_rankings)
    assert {item for item, _ in fused} == {item for ranking in given_rankings for item in ranking}
    for item, score in fused:
        ranks = [ranking.index(item) + 1 for ranking in given_rankings if item in ranking]
        assert score == pytest.approx(sum(1 / (60 + rank) for rank in ranks))
    assert [score for _, score in fused] == sorted((score for _, score in fused), reverse=True)


@given(rankings)
def test_one_ranking_or_equal_ones_keep_their_order(given_rankings: list[list[int]]) -> None:
    for ranking in given_rankings:
        assert [item for item, _ in fuse([ranking])] == ranking
        assert [item for item, _ in fuse([ranking, ranking])] == ranking


@given(rankings, st.randoms(use_true_random=False))
def test_the_order_of_the_rankings_does_not_change_scores(
    given_rankings: list[list[int]], chance: object
) -> None:
    backwards = list(reversed(given_rankings))
    forward, back = dict(fuse(given_rankings)), dict(fuse(backwards))
    assert forward == pytest.approx(back)

"""Fusion by sums of standardised scores, beside a naive one."""

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quiver.search.fusion import Scored, fuse, heights

found = st.dictionaries(st.integers(0, 9), st.integers(-50, 50).map(float), max_size=8)
several = st.lists(st.tuples(found, st.floats(0, 2, width=16)), max_size=3)


def naive_heights(items: list[int], given_ways: list[tuple[dict[int, float], float]]) -> list[float]:
    total = [0.0] * len(items)
    for scores, weight in given_ways:
        here = [scores.get(item, min(scores.values())) for item in items] if scores else []
        if spread := statistics.pstdev(here) if here else 0.0:
            total = [
                sum_ + weight * (score - statistics.fmean(here)) / spread
                for sum_, score in zip(total, here, strict=True)
            ]
    return total


def test_an_item_that_both_like_wins() -> None:
    fused = fuse([Scored({"a": 0.9, "b": 0.8, "c": 0.1}), Scored({"b": 7.0, "d": 2.0})])
    assert [item for item, _ in fused] == ["b", "a", "c", "d"]


def test_what_stands_far_above_the_others_counts_more_than_its_rank() -> None:
    far, near = {"a": 0.9, "b": 0.2, "c": 0.1}, {"b": 3.0, "a": 2.9, "c": 1.0}
    assert [item for item, _ in fuse([Scored(far), Scored(near)])] == ["a", "b", "c"]


def test_a_way_without_weight_only_adds_its_items_below() -> None:
    fused = fuse([Scored({"a": 0.9, "b": 0.5}), Scored({"c": 9.0, "b": 8.0}, weight=0.0)])
    assert [item for item, _ in fused] == ["a", "b", "c"]


@given(several)
def test_heights_are_sums_of_standardised_scores(given_ways: list[tuple[dict[int, float], float]]) -> None:
    ways = [Scored(scores, weight) for scores, weight in given_ways]
    fused = fuse(ways)
    items = [item for item, _ in fused]
    assert set(items) == {item for scores, _ in given_ways for item in scores}
    assert [score for _, score in fused] == sorted((score for _, score in fused), reverse=True)
    assert heights(items, ways).tolist() == pytest.approx(naive_heights(items, given_ways), abs=1e-3)


@given(found)
def test_one_way_or_equal_ones_keep_their_order(scores: dict[int, float]) -> None:
    expected = sorted(scores, key=lambda item: -scores[item])
    assert [item for item, _ in fuse([Scored(scores)])] == expected
    assert [item for item, _ in fuse([Scored(scores), Scored(scores)])] == expected


def test_nothing_found_is_nothing() -> None:
    assert fuse([]) == fuse([Scored({})]) == []

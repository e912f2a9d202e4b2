import numpy as np
import pytest

from quiver.evaluate.tune.halves import (
    Pick,
    Values,
    choose_and_check,
    halve,
    interval,
    queries_needed,
    resampled,
)


def best_of(values: Values) -> Pick:
    return lambda queries: int(values[:, queries].mean(axis=1).argmax())


def test_halves_share_no_query_and_leave_none_out() -> None:
    first, second = halve(101)
    assert sorted([*first, *second]) == list(range(101))
    assert abs(len(first) - len(second)) == 1


def test_the_best_of_many_equals_is_rarely_confirmed() -> None:
    """All settings are alike: whatever wins on one half wins by luck."""
    chance = np.random.default_rng(1)
    confirmed = 0
    for _ in range(60):
        values = chance.normal(size=(10, 60))
        checked = choose_and_check(values, best_of(values), 0)
        confirmed += checked.gain.low > 0
    assert confirmed <= 5


def test_a_real_gain_is_found_and_measured_without_bias() -> None:
    chance = np.random.default_rng(2)
    values = chance.normal(0, 0.2, size=(5, 400))
    values[3] += 0.1
    checked = choose_and_check(values, best_of(values), 0)
    assert checked.chosen == 3
    assert checked.gain.low < 0.1 < checked.gain.high
    assert checked.gain.low > 0
    assert checked.repeated > 0.95


def test_an_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    chance = np.random.default_rng(3)
    held = sum((own := interval(chance.exponential(size=50))).low < 1 < own.high for _ in range(100))
    assert 86 <= held <= 99


def test_equal_values_have_an_interval_of_no_width() -> None:
    own = interval(np.full(30, 0.25))
    assert (own.low, own.mean, own.high) == (0.25, 0.25, 0.25)


def test_statistics_of_several_samples_resample_the_same_queries() -> None:
    """The ratio of a sample to itself is 1 in every resample; drawn apart, it would not be."""
    values = np.random.default_rng(4).random(40)
    own = resampled([values, values], lambda a, b, axis=-1: a.sum(axis) / b.sum(axis))
    assert (own.low, own.high) == pytest.approx((1, 1))


def test_as_many_queries_as_planned_find_the_effect() -> None:
    change = np.random.default_rng(5).normal(0.05, 0.3, size=5000)
    needed = queries_needed(change, 0.05)
    chance = np.random.default_rng(6)
    found = sum(interval(chance.choice(change, needed // 2)).low > 0 for _ in range(60))
    assert 0.6 < found / 60 < 0.95

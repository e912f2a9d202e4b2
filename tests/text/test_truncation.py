from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quiver.errors import InputError, TooLongError
from quiver.text.truncation import Cut, LengthLimit


def bodies(*lengths: int) -> list[np.ndarray[tuple[int], np.dtype[np.int32]]]:
    return [np.arange(length, dtype=np.int32) for length in lengths]


def nothing_protected(position: int) -> int:
    return 0


@given(st.lists(st.integers(0, 40), max_size=8), st.integers(2, 30))
def test_every_cut_is_reported_and_nothing_else_changes(lengths: list[int], max_length: int) -> None:
    limit = LengthLimit(max_length, "truncate")
    shortened, cuts = limit.apply(bodies(*lengths), reserved=1, protected=nothing_protected)
    assert [len(body) for body in shortened] == [min(length, max_length - 1) for length in lengths]
    expected = [Cut(i, n + 1, max_length) for i, n in enumerate(lengths) if n + 1 > max_length]
    assert list(cuts) == expected
    assert all(cut.removed == cut.tokens - max_length for cut in cuts)


def test_the_default_policy_names_the_texts_and_the_ways_out() -> None:
    with pytest.raises(TooLongError, match=r"text 11 \(21 tokens\).*truncate"):
        LengthLimit(10, "error").apply(bodies(3, 20), reserved=1, protected=nothing_protected, first=10)


@pytest.mark.parametrize("max_length", [3, 5, 6])
def test_a_cut_never_reaches_what_is_protected(max_length: int) -> None:
    with pytest.raises(TooLongError, match="never cut"):
        LengthLimit(max_length, "truncate").apply(bodies(20), reserved=1, protected=lambda position: 5)


def test_at_least_one_token_of_the_text_is_left() -> None:
    shortened, _ = LengthLimit(7, "truncate").apply(bodies(20), reserved=1, protected=lambda position: 5)
    assert len(shortened[0]) == 6


def test_a_template_longer_than_the_limit_is_an_error_even_for_short_texts() -> None:
    with pytest.raises(TooLongError, match="leaves no room"):
        LengthLimit(4, "truncate").apply(bodies(1), reserved=9, protected=nothing_protected)


@pytest.mark.parametrize(("max_length", "policy"), [(0, "error"), (-3, "truncate"), (10, "ignore")])
def test_impossible_limits_are_refused(max_length: int, policy: Literal["error"]) -> None:
    with pytest.raises(InputError):
        LengthLimit(max_length, policy)

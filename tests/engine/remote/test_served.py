"""Requests: cut so that they fit, divided where that was not enough, answered in order."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quiver.engine.remote.connection import TooMuch
from quiver.engine.remote.served import ask_at_once, ask_in_parts, cut_into_requests, models_to_try
from quiver.errors import EndpointError
from quiver.text.characters import CharacterSequencer, fields_of, text_of
from quiver.text.prompts import PromptedText
from tests.remote.faulty import connected

SIZES = st.lists(st.integers(0, 50))


@given(SIZES, st.integers(1, 5), st.integers(1, 60))
def test_requests_hold_all_texts_and_no_more_than_fits(
    sizes: list[int], most_items: int, most_size: int
) -> None:
    requests = cut_into_requests(sizes, most_items, most_size)
    assert [position for request in requests for position in request] == list(range(len(sizes)))
    for request in requests:
        assert 1 <= len(request) <= most_items
        assert len(request) == 1 or sum(sizes[position] for position in request) <= most_size


@given(st.lists(st.integers(), min_size=1), st.integers(1, 9))
def test_what_is_too_much_is_divided_until_it_is_not(items: list[int], most: int) -> None:
    def ask(part: Sequence[int]) -> list[int]:
        if len(part) > most:
            raise TooMuch("413")
        return list(part)

    parts = ask_in_parts("http://there", items, ask)
    assert [item for part in parts for item in part] == items


def test_the_first_failure_ends_the_work() -> None:
    begun: list[int] = []

    def ask(number: int) -> int:
        begun.append(number)
        if number == 1:
            raise EndpointError("no")
        return number

    with pytest.raises(EndpointError, match="no"):
        ask_at_once(range(1000), ask, 2, lambda number: None)
    assert len(begun) < 1000


def test_a_model_of_the_same_name_is_tried_before_others() -> None:
    listed = {"data": [{"id": "first"}, {"id": "org/The-Model"}]}
    connection = connected({"/v1/models": lambda _: listed})
    assert models_to_try(connection, None, "/folder/the-model/") == ["org/The-Model"]
    assert models_to_try(connection, None, "unknown") == ["first", "org/The-Model"]
    assert models_to_try(connection, "given", "the-model") == ["given"]


@given(st.text(), st.text())
def test_texts_pass_as_characters(template: str, text: str) -> None:
    (sequence,) = CharacterSequencer().limited([PromptedText(template, text)]).sequences
    assert text_of(sequence) == template + text
    assert sequence.dtype == np.int32


@given(st.text(min_size=1), st.text(), st.text())
def test_fields_of_pairs_stay_apart_whatever_they_hold(instruction: str, query: str, document: str) -> None:
    body = PromptedText.reranker_body(instruction, query, document)
    (sequence,) = CharacterSequencer().limited([body]).sequences
    assert fields_of(sequence) == [instruction, query, document]

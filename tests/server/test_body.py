import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quiver.server.body import parse_json
from quiver.server.errors import Refusal

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def depth_of(value: object) -> int:
    if isinstance(value, dict):
        value = list(value.values())
    return 1 + max(map(depth_of, value), default=0) if isinstance(value, list) else 0


@given(VALUES, st.booleans())
def test_json_is_what_it_is(value: object, escapes: bool) -> None:
    body = json.dumps(value, ensure_ascii=escapes).encode("utf-8", "surrogatepass")
    depth = depth_of(value)
    assert parse_json(body, max(depth, 1)) == value
    if depth > 1:
        with pytest.raises(Refusal, match="deep"):
            parse_json(body, depth - 1)


@pytest.mark.parametrize("text", ['"]]][[["', '"\\"[[["', '"\\\\"', '{"[[[[[": "{{{{{"}'])
def test_brackets_in_strings_are_no_structure(text: str) -> None:
    assert parse_json(text.encode(), 1) == json.loads(text)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'"\xff"', "not UTF-8 at byte 1"),
        (b"[1,", "not JSON"),
        (b"NaN", "not JSON"),
        (b'"\\ud800"', "not JSON"),
        (b"", "not JSON"),
        (b"[[[1]]]", "more than 2 deep"),
        (b'[["unclosed [[[', "not JSON"),
        (b'[["unclosed [[[\\', "not JSON"),
    ],
)
def test_what_is_refused(body: bytes, words: str) -> None:
    with pytest.raises(Refusal, match=words) as caught:
        parse_json(body, 2)
    assert caught.value.kind == "invalid"

"""Spans: which sentence is shown, and which of its words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quiver.search.spans import Span, Spans


def shown(query: str, text: str, others: tuple[str, ...] = ()) -> tuple[str, list[str]] | None:
    span = Spans(query, [text, *others]).best(text)
    if span is None:
        return None
    return text[span.start : span.stop], [text[start:stop] for start, stop in span.words]


TEXT = "Git keeps commits. To undo the last commit, reset it! Nothing is lost.\n\nShips sail."


def test_the_sentence_that_shares_most_words() -> None:
    assert shown("undo my last commit", TEXT) == (
        "To undo the last commit, reset it!",
        ["undo", "last", "commit"],
    )


def test_words_match_by_their_stems_and_in_any_case() -> None:
    assert shown("a SHIP sailed", TEXT) == ("Ships sail.", ["Ships", "sail"])


def test_rare_words_count_for_more() -> None:
    text = "The commit is here. The zebra is there."
    others = ("commit the", "commit the", "commit the")
    assert shown("the zebra commit", text, others) == ("The zebra is there.", ["The", "zebra"])


def test_characters_without_spaces() -> None:
    assert shown("中国首都", "上海是城市。北京是中国的首都。") == ("北京是中国的首都。", ["中国", "首都"])
    assert shown("中国的首都", "北京是中国的首都。") == ("北京是中国的首都。", ["中国的首都"])


@pytest.mark.parametrize(("query", "text"), [("zebra", TEXT), ("", TEXT), ("git", "")])
def test_no_word_in_common(query: str, text: str) -> None:
    assert shown(query, text) is None


def test_equal_sentences_give_the_first() -> None:
    assert Spans("a", ["a. a."]).best("a. a.") == Span(0, 2, ((0, 1),))


@given(st.text(alphabet="ab .!?\n中国。e\u0301", max_size=60), st.text(alphabet="ab 中国", max_size=9))
def test_words_lie_within_their_sentence(text: str, query: str) -> None:
    span = Spans(query, [text]).best(text)
    if span is not None:
        places = [span.start, *(place for word in span.words for place in word), span.stop]
        assert places == sorted(places)
        assert all(start < stop for start, stop in span.words)
        assert 0 <= span.start < span.stop <= len(text)

import re
import unicodedata
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quiver.search.corpus import CountTokens
from quiver.search.ingest.assemble import passages_of
from quiver.search.ingest.cut import cut
from quiver.search.ingest.document import Document, Row, Section
from quiver.search.passages import Passage
from tests.search.ingest.made import count_characters, count_words

PIECES = st.sampled_from(
    [
        "word ",
        "Word",
        ". ",
        "\n",
        "\n\n",
        "    ",
        "。",
        "字",
        "e\u0301",
        "👩\u200d🚀",
        "x" * 40,
        "a b c d. ",
        "\t",
        "!",
        "\ufdfa",
    ]
)
TEXTS = st.one_of(st.lists(PIECES, max_size=80).map("".join), st.text(max_size=200))


def count_bytes(texts: list[str]) -> list[int]:
    return [len(text.encode(errors="replace")) for text in texts]


def count_normalized(texts: list[str]) -> list[int]:
    """As tokenizers do that write a ligature out: eighteen letters for three bytes."""
    return [len(unicodedata.normalize("NFKC", text)) for text in texts]


COUNTERS = st.sampled_from([count_words, count_characters, count_bytes, count_normalized])


@st.composite
def documents(draw: st.DrawFn) -> Document:
    text = draw(TEXTS)
    positions = st.lists(st.integers(0, len(text)), max_size=8)
    trails = st.lists(st.sampled_from(["a", "b"]), max_size=3).map(tuple)
    starts = sorted({0, *draw(positions)})
    return Document(
        text=text,
        sections=[Section(start, draw(trails)) for start in starts],
        breaks=sorted(set(draw(positions))),
        rows=[Row()] * len(starts) if draw(st.booleans()) else (),
    )


def passages(document: Document, count_tokens: CountTokens, max_tokens: int) -> list[Passage]:
    return passages_of(document, "a.txt", cut(document, count_tokens, max_tokens))


def visible(text: str) -> str:
    return re.sub(r"\s", "", text)


@given(documents(), COUNTERS, st.integers(1, 60))
def test_nothing_is_lost_and_nothing_comes_twice(
    document: Document, count_tokens: CountTokens, max_tokens: int
) -> None:
    spans = cut(document, count_tokens, max_tokens)
    assert all(before[1] <= after[0] for before, after in pairwise(spans))
    assert visible("".join(document.text[start:end] for start, end in spans)) == visible(document.text)


@given(documents(), COUNTERS, st.integers(1, 60))
def test_no_passage_has_too_many_tokens(
    document: Document, count_tokens: CountTokens, max_tokens: int
) -> None:
    for passage in passages(document, count_tokens, max_tokens):
        (count,) = count_tokens([passage.text])
        assert count <= max_tokens or len(passage.text.strip()) == 1


@given(documents(), COUNTERS, st.integers(1, 60))
def test_positions_and_lines_are_right(
    document: Document, count_tokens: CountTokens, max_tokens: int
) -> None:
    lines = document.text.split("\n")
    for passage in passages(document, count_tokens, max_tokens):
        assert document.text.startswith(passage.text, passage.start)
        if passage.first_line and passage.last_line:
            own = "\n".join(lines[passage.first_line - 1 : passage.last_line])
            assert passage.text in own
            assert passage.text.count("\n") == passage.last_line - passage.first_line


@given(documents(), COUNTERS, st.integers(1, 60))
def test_a_passage_belongs_to_sections_that_share_its_headings(
    document: Document, count_tokens: CountTokens, max_tokens: int
) -> None:
    for passage in passages(document, count_tokens, max_tokens):
        within = [
            section.headings
            for section, after in pairwise([*document.sections, Section(len(document.text) + 1)])
            if section.start < passage.start + len(passage.text) and after.start > passage.start
        ]
        assert within[-1][: len(passage.headings)] == passage.headings
        assert all(
            one == other for trail in within for one, other in zip(trail, passage.headings, strict=False)
        )
        assert len(within) == 1 or not document.rows


def texts(text: str, max_tokens: int, **structure: object) -> list[str]:
    document = Document(text=text, **structure)  # type: ignore[arg-type]
    return [passage.text for passage in passages(document, count_words, max_tokens)]


def test_paragraphs_stay_whole() -> None:
    paragraph = "Nine words stand in each one of these paragraphs."
    assert texts("\n\n".join([paragraph] * 4), 12) == [paragraph] * 4


def test_what_fits_is_not_cut() -> None:
    text = "One paragraph.\n\nAnother one.\n\nAnd a third."
    assert texts(text, 20) == [text]


def test_a_long_paragraph_is_cut_between_sentences() -> None:
    sentence = "This sentence has six words. "
    pieces = texts(sentence * 40, 30)
    assert len(pieces) < 14
    assert all(piece.startswith("This") and piece.endswith("words.") for piece in pieces)


def test_a_long_sentence_is_cut_between_words() -> None:
    pieces = texts("word " * 100, 10)
    assert all(set(piece.split()) == {"word"} for piece in pieces)


def test_text_without_spaces_is_cut_between_sentences_and_then_anywhere() -> None:
    document = Document(text="我们在这里写一个句子。" * 20)
    pieces = [passage.text for passage in passages(document, count_characters, 25)]
    assert all(piece.endswith("。") for piece in pieces)
    document = Document(text="字" * 1000)
    assert all(len(passage.text) <= 25 for passage in passages(document, count_characters, 25))


def test_an_accent_stays_on_its_letter() -> None:
    document = Document(text="e\u0301" * 100)
    pieces = [passage.text for passage in passages(document, count_characters, 7)]
    assert not any(piece.startswith("\u0301") for piece in pieces)


def test_tiny_sections_join_their_siblings_under_what_they_share() -> None:
    text = "# A\n## B\none\n## C\ntwo\n"
    sections = [Section(0, ("A",)), Section(4, ("A", "B")), Section(13, ("A", "C"))]
    document = Document(text=text, sections=sections)
    (passage,) = passages(document, count_words, 50)
    assert (passage.text, passage.headings) == (text.strip(), ("A",))


def test_a_heading_alone_goes_with_what_it_stands_above() -> None:
    text = "# A\n\n## B\n\n" + "A sentence of six words here. " * 40
    document = Document(text=text, sections=[Section(0, ("A",)), Section(5, ("A", "B"))])
    first, *others = passages(document, count_words, 50)
    assert (first.text[:15], first.headings) == ("# A\n\n## B\n\nA se", ("A", "B"))
    assert len(others) == 5


def test_large_sections_stay_apart() -> None:
    text = "first section here. " * 10 + "second section here. " * 10
    document = Document(text=text, sections=[Section(0, ("A",)), Section(200, ("B",))])
    assert [passage.headings for passage in passages(document, count_words, 100)] == [("A",), ("B",)]


def test_the_first_line_keeps_its_indentation() -> None:
    assert texts("\n\n    indented\n    too\n", 50) == ["    indented\n    too"]


@pytest.mark.parametrize("text", ["", " ", "\n\n\t\n"])
def test_blank_texts_have_no_passages(text: str) -> None:
    assert texts(text, 10) == []


def test_tokens_are_counted_about_once() -> None:
    counted = 0

    def count(texts: Sequence[str]) -> list[int]:
        nonlocal counted
        counted += sum(map(len, texts))
        return [len(text) // 4 for text in texts]

    text = "A sentence of some words, as they are. " * 5000
    cut(Document(text=text), count, 256)
    assert counted < 1.2 * len(text)

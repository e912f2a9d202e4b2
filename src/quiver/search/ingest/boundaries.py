"""Boundaries: where a text may be cut, from the best places to the worst."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from unicodedata import combining

from quiver.search.ingest.document import Document

Boundaries = Callable[[int, int], Iterator[int]]
"""Positions strictly between two others, in order, each the start of what follows."""

PATTERNS = (
    re.compile(r"\n(?:[ \t\r\f\v]*\n)+"),  # paragraphs
    re.compile(r"\n"),
    re.compile(r"[.!?…؟۔।][\"'”’)\]]*\s+|[。！？｡][”’」』）]*\s*"),  # sentences
    re.compile(r"[,;:،؛]\s+|[，、；：]"),
    re.compile(r"\s+"),  # words
)
JOINERS = frozenset("\u200d\ufe0e\ufe0f")
"""Zero width joiner and variation selectors: they belong to the character before them."""


def levels(document: Document) -> tuple[Boundaries, ...]:
    """The document's own structure first, single code points last."""
    text = document.text
    own = ([section.start for section in document.sections], document.breaks)
    return (
        *(_among(positions) for positions in own if positions),
        *(_after(pattern, text) for pattern in PATTERNS),
        _characters(text),
        _code_points,
    )


def _among(positions: Sequence[int]) -> Boundaries:
    def within(start: int, end: int) -> Iterator[int]:
        return iter(positions[bisect_right(positions, start) : bisect_left(positions, end)])

    return within


def _after(pattern: re.Pattern[str], text: str) -> Boundaries:
    def within(start: int, end: int) -> Iterator[int]:
        ends = (match.end() for match in pattern.finditer(text, start, end))
        return (position for position in ends if position < end)

    return within


def _characters(text: str) -> Boundaries:
    """Between characters, but not before an accent or inside a joined emoji."""

    def within(start: int, end: int) -> Iterator[int]:
        for position in range(start + 1, end):
            after, before = text[position], text[position - 1]
            if not (combining(after) or after in JOINERS or before == "\u200d"):
                yield position

    return within


def _code_points(start: int, end: int) -> Iterator[int]:
    """Anywhere: thousands of accents on one letter are no reason for a passage without bounds."""
    return iter(range(start + 1, end))

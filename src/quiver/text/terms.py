"""Terms: the words that full-text search compares, cut out of a text the same way for every store.

Lower-cased runs of letters and digits; where no spaces are written, pairs of characters; English words by
their Snowball stem. A stem of a word in another Latin language is cruder but the same on both sides.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

LONGEST_TERM = 64
"""Characters; base64 and the like is cut here, and still finds itself."""

_UNSPACED = r"\p{Thai}\p{Hiragana}\p{Katakana}\p{Han}"
RUN = rf"(?P<unspaced>[{_UNSPACED}]+)|[[\p{{L}}\p{{M}}\p{{N}}]--[{_UNSPACED}]]+"
"""Of regex's version 1: letters and digits; in the group ``unspaced``, such as are written without spaces."""


@dataclass(frozen=True, slots=True)
class Term:
    """A term and where its characters stand in the text."""

    name: str
    start: int
    stop: int


def located_terms(text: str) -> Iterator[Term]:
    """All terms of a text, in order."""
    stem = _stemmer().stemWord
    for found in _runs().finditer(text):
        run, start = found[0], found.start()
        if found["unspaced"]:
            for at in range(max(1, len(run) - 1)):
                pair = run[at : at + 2]
                yield Term(pair, start + at, start + at + len(pair))
        else:
            word = run.lower()[:LONGEST_TERM]
            yield Term(stem(word) if word.isascii() else word, start, found.end())


def terms(text: str) -> list[str]:
    """The names of all terms of a text, repeated as they are."""
    return [term.name for term in located_terms(text)]


@cache
def _runs() -> Any:  # noqa: ANN401  (a package without types)
    import regex

    return regex.compile(RUN, regex.VERSION1)


@cache
def _stemmer() -> Any:  # noqa: ANN401  (a package without types)
    import Stemmer

    return Stemmer.Stemmer("english")

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

ASKING = frozenset(
    "a an the i me my we our you your he she it its they them their this that these those there "
    "what which who whom whose when why how am is are was were be been being do does did doing have has "
    "had having".split()
)
"""English words that ask rather than say what is looked for. Documentation seldom says "my" or "how do I",
so by their rarity alone they would count for more than the subject."""

_UNSPACED = r"\p{Thai}\p{Hiragana}\p{Katakana}\p{Han}"
_RUN = rf"(?P<unspaced>[{_UNSPACED}]+)|[[\p{{L}}\p{{M}}\p{{N}}]--[{_UNSPACED}]]+"


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


def query_terms(query: str) -> list[str]:
    """The names of a query's terms, each once, without words that only ask; all if it has no others.

    A word in capitals is a name (IT, WHO), or a language's (IS NULL), and stays.
    """
    located = list(located_terms(query))
    telling = [term.name for term in located if not _only_asks(query[term.start : term.stop])]
    return list(dict.fromkeys(telling or (term.name for term in located)))


def _only_asks(word: str) -> bool:
    return word.lower() in ASKING and not (len(word) > 1 and word.isupper())


@cache
def _runs() -> Any:  # noqa: ANN401  (a package without types)
    import regex

    return regex.compile(_RUN, regex.VERSION1)


@cache
def _stemmer() -> Any:  # noqa: ANN401  (a package without types)
    import Stemmer

    return Stemmer.Stemmer("english")

"""Spans: the sentence of a passage that says most of what the query asks, and the words they share."""

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from quiver.text.terms import Term, located_terms

_SENTENCE = re.compile(r"\S.*?(?:[.!?][\"')\]]*(?=\s)|[。！？]+|\n\s*\n|\Z)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Span:
    """Characters ``start`` to ``stop`` of a passage's text, and within them the words to highlight."""

    start: int
    stop: int
    words: tuple[tuple[int, int], ...]


class Spans:
    """Finds spans for one query; words that few of the candidates have count for more."""

    def __init__(self, query: str, candidates: Sequence[str]) -> None:
        wanted = {term.name for term in located_terms(query)}
        found = [{term.name for term in located_terms(text)} & wanted for text in candidates]
        holders = Counter(name for names in found for name in names)
        self._weights = {name: math.log(1 + len(candidates) / count) for name, count in holders.items()}

    def best(self, text: str) -> Span | None:
        """The sentence with the heaviest words, the first of equals; None if no word is shared."""
        shared = [term for term in located_terms(text) if term.name in self._weights]
        best: tuple[float, Span] | None = None
        for start, stop in _sentences(text):
            inside = [term for term in shared if start <= term.start < stop]
            weight = sum(self._weights[name] for name in {term.name for term in inside})
            if inside and (best is None or weight > best[0]):
                best = weight, Span(start, stop, _joined(inside))
        return None if best is None else best[1]


def _sentences(text: str) -> list[tuple[int, int]]:
    return [(found.start(), found.start() + len(found[0].rstrip())) for found in _SENTENCE.finditer(text)]


def _joined(inside: Sequence[Term]) -> tuple[tuple[int, int], ...]:
    """Places of words; pairs of characters that overlap become one."""
    places: list[tuple[int, int]] = []
    for term in inside:
        if places and term.start < places[-1][1]:
            places[-1] = (places[-1][0], max(term.stop, places[-1][1]))
        else:
            places.append((term.start, term.stop))
    return tuple(places)

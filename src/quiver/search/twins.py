"""Twins: one page in two formats, such as HTML beside its source, which a search should show once.

Twins are passages of documents that share their name, but not their format, and most of their words.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath

from quiver.search.hits import Stage
from quiver.search.ingest.formats import COMPRESSED, SUFFIXES, Kind, format_of
from quiver.search.store import Found
from quiver.text.terms import terms

SHARED_TERMS = 0.5
"""Least share of the terms of the smaller passage that are in the larger, too: each format is cut into
passages at places of its own."""
FOR_READING = frozenset({Kind.HTML, Kind.PDF})
"""What is made from a source to be read: of twins the one to show."""
DOCUMENTS = FOR_READING | {Kind.TEXT, Kind.MARKDOWN, Kind.RST, Kind.MAN, Kind.DOCX}

PassageKey = tuple[str, int]
"""Path and number of a passage."""


def key_of(found: Found) -> PassageKey:
    """What tells a passage from all others of a store."""
    return found.passage.path, found.number


class Twins:
    """Which of the passages that were found are the same in two formats."""

    def __init__(self, stages: Mapping[Stage, Sequence[Found]]) -> None:
        self._shown: dict[PassageKey, Found] = {}
        self._other_paths: dict[PassageKey, list[str]] = {}
        by_name: dict[str, list[Found]] = defaultdict(list)
        for found in _by_rank(stages.values()):
            if _kind(found) is not None:
                by_name[_name(found)].append(found)
        for namesakes in by_name.values():
            if len({_kind(found) for found in namesakes}) > 1:
                self._pair(namesakes)

    def merged(self, found: Sequence[Found]) -> list[Found]:
        """Each passage once, at the rank and with the score of the twin that stands higher."""
        first: dict[PassageKey, Found] = {}
        for each in found:
            shown = self._shown.get(key_of(each), each)
            first.setdefault(key_of(shown), Found(shown.passage, shown.number, each.score))
        return list(first.values())

    def other_paths(self, shown: Found) -> tuple[str, ...]:
        """Files in which the passage stands, too."""
        return tuple(dict.fromkeys(self._other_paths.get(key_of(shown), ())))

    def _pair(self, namesakes: Sequence[Found]) -> None:
        words = {key_of(found): frozenset(terms(found.passage.text)) for found in namesakes}
        kept: list[Found] = []
        for found in sorted(namesakes, key=lambda each: _kind(each) not in FOR_READING):
            own = words[key_of(found)]
            twin = next((each for each in kept if _are_twins(each, found, words[key_of(each)], own)), None)
            if twin is None:
                kept.append(found)
            else:
                self._shown[key_of(found)] = twin
                self._other_paths.setdefault(key_of(twin), []).append(found.passage.path)


def _by_rank(rankings: Iterable[Sequence[Found]]) -> list[Found]:
    """Every passage once, the highest of all rankings first."""
    ranked = [(rank, found) for ranking in rankings for rank, found in enumerate(ranking)]
    first: dict[PassageKey, Found] = {}
    for _, found in sorted(ranked, key=lambda each: each[0]):
        first.setdefault(key_of(found), found)
    return list(first.values())


def _are_twins(one: Found, other: Found, words: frozenset[str], others: frozenset[str]) -> bool:
    if _kind(one) is _kind(other):
        return False
    smaller = min(len(words), len(others))
    return smaller > 0 and len(words & others) >= SHARED_TERMS * smaller


def _kind(found: Found) -> Kind | None:
    """Of documents only: of equal names in code and tables each is meant."""
    form = format_of(found.passage.path)
    return form.kind if form is not None and form.kind in DOCUMENTS else None


def _name(found: Found) -> str:
    """Without its ending; of ``page.rst.txt``, which is the text of another format, without both."""
    name = PurePosixPath(found.passage.path.lower().removesuffix(COMPRESSED))
    if name.suffix == ".txt" and PurePosixPath(name.stem).suffix in SUFFIXES:
        name = name.with_suffix("")
    return name.stem

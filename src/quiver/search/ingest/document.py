"""Document: what a format's reader makes of a file, and what the cutter makes passages of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise, takewhile

from quiver.search.passages import Scalar

LONGEST_HEADING = 200
"""Characters; what is longer is cut, since it is repeated above every passage."""


@dataclass(frozen=True, slots=True)
class Section:
    """A stretch of text under one trail of headings; it ends where the next one starts."""

    start: int
    headings: tuple[str, ...] = ()
    """The outermost first, the section's own last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What a row of a table knows beside its text."""

    title: str = ""
    first_line: int | None = None
    last_line: int | None = None
    metadata: Mapping[str, Scalar] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """The text of a file, and where it may be cut."""

    text: str
    title: str = ""
    sections: Sequence[Section] = (Section(0),)
    """In order, the first one at 0."""
    breaks: Sequence[int] = ()
    """Where blocks start that should stay whole (paragraphs, list items), in order."""
    pages: Sequence[int] = ()
    """Where each page starts; empty for files without pages."""
    rows: Sequence[Row] = ()
    """One for each section, if the file is a table: rows never share a passage."""
    has_lines: bool = True
    """Whether lines of the text are lines of the file."""
    metadata: Mapping[str, Scalar] = field(default_factory=dict)


class Outline:
    """Sections from headings as they come, each with its level."""

    def __init__(self) -> None:
        self.sections = [Section(0)]
        self._open: list[tuple[int, str]] = []

    def heading(self, start: int, level: int, heading: str) -> None:
        """A heading closes those of its level and below; an empty one is none."""
        if not heading.strip():
            return
        self._open = [(above, name) for above, name in self._open if above < level]
        self._open.append((level, one_line(heading)))
        if self.sections[-1].start == start:
            self.sections.pop()
        self.sections.append(Section(start, tuple(name for _, name in self._open)))

    def first_heading(self) -> str:
        """The first outermost heading, empty if there is none."""
        return next((section.headings[0] for section in self.sections if section.headings), "")


def trail_of(trails: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """The headings above sections that share a passage.

    What they all begin with; but an introduction that leads into the next section is above nothing.
    """
    for first, then in pairwise(trails):
        if len(first) >= len(then) or then[: len(first)] != first:
            break
        trails = trails[1:]
    return common_trail(trails)


def common_trail(trails: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """The headings that all trails begin with."""
    same = takewhile(lambda level: len(set(level)) == 1, zip(*trails, strict=False))
    return tuple(level[0] for level in same)


def one_line(text: str) -> str:
    """A heading or title on one line, not longer than anybody reads."""
    return " ".join(text.split())[:LONGEST_HEADING]


def line_starts(text: str) -> list[int]:
    """The position of each line, and of the end of the text."""
    return list(
        accumulate((len(line) for line in text.split("\n")), lambda at, size: at + size + 1, initial=0)
    )

"""Passages: what the readers of files hand to the index. Plain values, with no code behind them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

Scalar = str | int | float | bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A piece of a file, small enough to embed."""

    text: str
    path: str
    """The file, with ``/`` between folders."""
    title: str
    headings: tuple[str, ...]
    """Headings above the passage, the outermost first."""
    first_line: int | None
    last_line: int | None
    page: int | None
    start: int
    """Characters into the file's extracted text."""
    metadata: Mapping[str, Scalar] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """A file that can be read."""

    path: str
    """The name that passages carry."""
    location: Path
    """Where it is on this machine."""
    size: int
    modified_ns: int
    digest: str
    """SHA-256 of the content."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file that stays out of the index, and why."""

    path: str
    reason: str

"""Tables: what a database without transactions must do for ``VersionedStore``.

Two tables, ``passages`` and ``files``, whose rows hold from one number of a change to another, and notes.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from quiver.results import Floats
from quiver.search.filters import And, Column, Comparison, Filter, Or

Table = Literal["passages", "files"]
Row = dict[str, Any]

FOREVER = 2**53 - 1
"""The end of a row that holds; the largest whole number that JSON's readers keep exactly."""

SHOWN = ("path", "number", "text", "title", "details", "first_line", "last_line", "page", "start")
"""Columns that make a passage."""


@dataclass(frozen=True, slots=True)
class Collection:
    """Where the tables are."""

    database: str
    """As messages call it."""
    where: str | Path
    """A server's address, or the file or folder of a local mode."""
    name: str

    def __str__(self) -> str:
        return f"the collection {self.name} of {self.database} in {self.where}"


class Tables(Protocol):
    """Rows of one index in a database. All that was written is seen by reads that begin later.

    Filters are affirmative (``filter_logic``). Raises StoreError for what the database refuses.
    """

    @property
    def name(self) -> str:
        """What messages call the index."""

    @property
    def info(self) -> str:
        """What the index was created with, kept with the collection."""

    def writing(self) -> AbstractContextManager[Callable[[], None]]:
        """Be the only writer; raises IndexBusy, and gives what raises it once another has taken over."""

    def understands(self, where: Filter) -> bool:
        """Whether the database tests the filter in full; else it finds too much, never too little."""

    def insert(self, table: Table, rows: Sequence[Row]) -> None:
        """Add rows; one with the ``id`` of another takes its place."""

    def end(self, table: Table, where: Filter, number: int) -> None:
        """Set when the rows end."""

    def delete(self, table: Table, where: Filter) -> None:
        """Drop rows."""

    def select(self, table: Table, where: Filter, columns: Sequence[str]) -> Iterator[Row]:
        """All rows that meet a filter which is understood, in any order."""

    def count(self, term: int, where: Filter) -> int:
        """Number of passages that hold a term, by its number."""

    def nearest(
        self, vector: Floats, count: int, where: Filter, *, exact: bool, narrowed: bool
    ) -> list[tuple[Row, float]]:
        """Passages of highest cosine, with it; a shortlist, if there is one, is looked after here.

        ``narrowed`` if more is asked of the rows than that they hold.
        """

    def with_terms(self, weights: Mapping[int, float], count: int, where: Filter) -> list[Row]:
        """Passages of the highest product of term weights, with their ``words``."""

    def read_note(self, name: str) -> str | None:
        """A note's content."""

    def write_note(self, name: str, content: str) -> None:
        """Write a note in one step."""

    def arrange(self) -> None:
        """Build indexes, where the size asks for them."""

    def close(self) -> None:
        """Let go of the database."""


def equals(column: str, value: str | int) -> Comparison:
    """``column = value``."""
    return Comparison(Column(column), "=", value)


def one_of(column: str, values: Iterable[str]) -> Or:
    """``column IN (values)``."""
    return Or(tuple(equals(column, value) for value in values))


def holding_at(number: int) -> And:
    """Rows that hold at a number."""
    return And((Comparison(Column("born"), "<=", number), Comparison(Column("died"), ">", number)))

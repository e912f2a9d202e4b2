"""Tables: numbers under named columns, kept as numbers until a format writes them."""

from collections.abc import Sequence
from dataclasses import dataclass

Cell = str | float | None
"""A name, a number, or nothing."""

ABSENT = "–"


@dataclass(frozen=True, slots=True)
class Column:
    """What stands under each other."""

    title: str
    form: str = ""
    """How its numbers are written, as in ``format``; columns of names have none."""

    @property
    def is_number(self) -> bool:
        """Whether it holds numbers."""
        return bool(self.form)


@dataclass(frozen=True, slots=True)
class Table:
    """A title, columns and rows, the first column naming the row."""

    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    note: str = ""
    """A sentence under the table."""

    def written(self) -> list[list[str]]:
        """All cells as text."""
        return [
            [cell_text(cell, column) for cell, column in zip(row, self.columns, strict=True)]
            for row in self.rows
        ]


def cell_text(cell: Cell, column: Column) -> str:
    """A cell as its column writes it."""
    if cell is None:
        return ABSENT
    return cell if isinstance(cell, str) else format(cell, column.form)

"""Tables: facts and results laid out for the eye, every cell literal text."""

import io
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from quiver.cli.target import Target
from quiver.cli.terminal import one_line

if TYPE_CHECKING:
    from rich.console import RenderableType

WIDEST_TABLE = 10_000
"""Characters a line."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table; ``flexible`` ones give way when the terminal is narrow."""

    title: str
    align: Literal["left", "right"] = "left"
    flexible: bool = False


def write_table(
    target: Target, columns: Sequence[Column], rows: Iterable[Sequence[str]], *, wrap: bool = False
) -> None:
    """Lay out a table for standard output's width; cells are literal text, never markup.

    Without a flexible column nothing may give way: the table is as wide as it needs to be.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, collapse_padding=True)
    for column in columns:
        # A column that may wrap is what Rich narrows first; its cells then decide that they do not.
        table.add_column(column.title, justify=column.align, no_wrap=not column.flexible)
    for row in rows:
        cells = (Text(one_line(cell), no_wrap=not wrap, overflow="ellipsis") for cell in row)
        table.add_row(*cells)
    width = None if any(column.flexible for column in columns) else WIDEST_TABLE
    write_page(target, [table], width=width)


def write_page(target: Target, contents: "Iterable[RenderableType]", *, width: int | None = None) -> None:
    """Print what Rich can lay out, for standard output's width if no other is given."""
    from rich.console import Console

    paper = io.BytesIO()
    with _Page(paper, encoding=sys.stdout.encoding, errors="replace") as page:
        console = Console(file=page, width=width, highlight=False)
        for content in contents:
            console.print(content)
        page.flush()
        target.write(paper.getvalue())


class _Page(io.TextIOWrapper):
    """A file in memory that Rich takes for standard output, to choose colours and borders."""

    def isatty(self) -> bool:
        return sys.stdout.isatty()

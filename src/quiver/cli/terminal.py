"""Terminal: tables, with users' texts made harmless.

A document may hold escape sequences that recolour, retitle or rewrite the terminal, and marks that reverse
the reading direction of everything behind them. None of them is printed.
"""

import sys
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

DIRECTION_MARKS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
UNPRINTABLE_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})
LONGEST_CELL = 1000
"""Characters of a text that a table looks at; no terminal is wider."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table; ``flexible`` ones give way when the terminal is narrow."""

    title: str
    align: Literal["left", "right"] = "left"
    flexible: bool = False


def neutralise(text: str) -> str:
    """Replace every character that could steer a terminal by U+FFFD."""
    if text.isascii() and text.isprintable():
        return text
    return "".join("\ufffd" if _steers(character) else character for character in text)


def one_line(text: str) -> str:
    """A text as a table shows it: on one line, harmless, of bounded length."""
    return neutralise(" ".join(text[:LONGEST_CELL].split()))


def render_table(columns: Sequence[Column], rows: Iterable[Sequence[str]], *, wrap: bool = False) -> str:
    """Lay out a table for standard output's width; cells are literal text, never markup."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in columns:
        rigid = not column.flexible
        table.add_column(
            column.title,
            justify=column.align,
            no_wrap=rigid or not wrap,
            overflow="ellipsis",
            min_width=len(column.title) if rigid else None,
            ratio=None if rigid else 1,
        )
    for row in rows:
        table.add_row(*(Text(one_line(cell)) for cell in row))
    console = Console(file=sys.stdout)
    with console.capture() as captured:
        console.print(table)
    return captured.get()


def _steers(character: str) -> bool:
    return character in DIRECTION_MARKS or unicodedata.category(character) in UNPRINTABLE_CATEGORIES

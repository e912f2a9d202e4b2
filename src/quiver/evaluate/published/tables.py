"""The published tables: every row and column, each number to the digit that was printed."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from importlib.resources import files

from quiver.errors import InputError

TABLES = ("multilingual", "english", "chinese", "reranking")
"""Their names here, in the README's order."""

MEAN_BY_TASK = "mean by task"
"""The mean of all tasks of a benchmark."""
MEAN_BY_TYPE = "mean by type"
"""The mean of the means that a benchmark's types of task have."""


@dataclass(frozen=True, slots=True)
class Column:
    """What one column of scores is the mean of."""

    name: str
    """As printed."""
    benchmark: str
    """Whose tasks: mteb's name, or ``MLDR``."""
    measure: str
    """``mean by task``, ``mean by type``, or the type of task whose mean it is, in mteb's words."""


@dataclass(frozen=True, slots=True)
class TableRow:
    """One model's scores, in percent."""

    model: str
    size: str
    scores: Sequence[Decimal]
    """In the order of the columns; ``str`` gives them as printed."""


@dataclass(frozen=True, slots=True)
class Table:
    """One table; numbers in bold are the README's and are not marked here."""

    name: str
    title: str
    model_column: str
    size_column: str
    columns: Sequence[Column]
    rows: Sequence[TableRow]

    def row(self, model: str) -> TableRow | None:
        """The row of a model, by its name with or without its organisation, in any case; None without one."""
        wanted = short_name(model)
        return next((row for row in self.rows if row.model.lower() == wanted), None)

    def by_column(self, row: TableRow) -> Mapping[Column, Decimal]:
        """A row's scores by what they are."""
        return dict(zip(self.columns, row.scores, strict=True))


def short_name(model: str) -> str:
    """A model's name without organisation or folders, in lower case: what tables and hub names share."""
    return model.rstrip("/").rsplit("/", 1)[-1].lower()


def published_tables() -> list[Table]:
    """All tables in the README's order."""
    return [published_table(name) for name in TABLES]


@cache
def published_table(name: str) -> Table:
    """One of ``TABLES``; raises InputError for another name."""
    if name not in TABLES:
        raise InputError(f"there is no published table {name!r}; there are {', '.join(TABLES)}")
    content = json.loads(files(__package__).joinpath(f"{name}.json").read_text("utf-8"))
    return Table(
        name=name,
        title=content["title"],
        model_column=content["model_column"],
        size_column=content["size_column"],
        columns=tuple(Column(**column) for column in content["columns"]),
        rows=tuple(
            TableRow(row["model"], row["size"], tuple(map(Decimal, row["scores"]))) for row in content["rows"]
        ),
    )

"""Filters: which passages a search may find, as values that every store renders in its own dialect.

As in SQL, a comparison with an absent value is neither true nor false, and ``Not`` does not change that.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from quiver.search.passages import Scalar

Value = str | int | float | bool
Operator = Literal["=", "<>", "<", "<=", ">", ">=", "LIKE"]

COLUMNS: dict[str, type] = {
    "path": str,
    "title": str,
    "headings": str,
    "first_line": int,
    "last_line": int,
    "page": int,
}
"""What every passage has; ``headings`` is the trail with `` > `` between. All else is ``metadata.NAME``."""


@dataclass(frozen=True, slots=True)
class Column:
    """A passage's own column, or one key of its metadata."""

    name: str
    in_metadata: bool = False

    def __str__(self) -> str:
        return f"metadata.{self.name}" if self.in_metadata else self.name


@dataclass(frozen=True, slots=True)
class Comparison:
    """``column operator value``."""

    column: Column
    operator: Operator
    value: Value


@dataclass(frozen=True, slots=True)
class IsNull:
    """The column has no value."""

    column: Column


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold."""

    part: "Filter"


@dataclass(frozen=True, slots=True)
class And:
    """All parts hold."""

    parts: "tuple[Filter, ...]"


@dataclass(frozen=True, slots=True)
class Or:
    """At least one part holds."""

    parts: "tuple[Filter, ...]"


Filter = Comparison | IsNull | Not | And | Or


def render(filter_: Filter, comparison: Callable[[Comparison], str], is_null: Callable[[Column], str]) -> str:
    """SQL for a filter, of a store's own comparisons."""
    match filter_:
        case Comparison():
            return comparison(filter_)
        case IsNull(column):
            return is_null(column)
        case Not(part):
            return f"(NOT {render(part, comparison, is_null)})"
        case And(parts):
            return f"({' AND '.join(render(part, comparison, is_null) for part in parts)})"
        case Or(parts):
            return f"({' OR '.join(render(part, comparison, is_null) for part in parts)})"


def key_of(column: Column, value: Value) -> str:
    """Where ``filter_keys`` puts what compares with ``value``: by name and kind, since kinds never mix."""
    kind = "text" if isinstance(value, str) else "flag" if isinstance(value, bool) else "number"
    return f"{kind}:{column.name}"


def keys_of(column: Column) -> list[str]:
    """Every place where ``filter_keys`` may put a column."""
    return [key_of(column, value) for value in ("", 0, True)]


def filter_keys(metadata: Mapping[str, Scalar]) -> dict[str, str | float]:
    """Metadata as stores keep it for filters: numbers and flags as floats, nothing absent or infinite."""
    keys: dict[str, str | float] = {}
    for name, value in metadata.items():
        if value is None:
            continue
        kept = value if isinstance(value, str) else _as_float(value)
        if kept is not None:
            keys[key_of(Column(name, in_metadata=True), value)] = kept
    return keys


def _as_float(value: float) -> float | None:
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None

"""Filter logic: SQL's three values without a database, for stores whose own filters know less.

``affirmative`` moves every NOT to the leaves, where it can be told what it means for an absent value.
"""

import re
from functools import cache

from quiver.search.described import heading_trail
from quiver.search.filters import And, Column, Comparison, Filter, IsNull, Not, Operator, Or, Value
from quiver.search.passages import Passage, Scalar

OPPOSITE: dict[Operator, Operator] = {"=": "<>", "<>": "=", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}


def affirmative(where: Filter) -> Filter:
    """An equal filter, in which NOT stands only before LIKE and IS NULL.

    Every leaf then holds or does not: a comparison with an absent value, turned round or not, never does.
    """
    match where:
        case Not(part):
            return _denied(part)
        case And(parts):
            return And(tuple(map(affirmative, parts)))
        case Or(parts):
            return Or(tuple(map(affirmative, parts)))
    return where


def _denied(where: Filter) -> Filter:
    match where:
        case Not(part):
            return affirmative(part)
        case And(parts):
            return Or(tuple(map(_denied, parts)))
        case Or(parts):
            return And(tuple(map(_denied, parts)))
        case Comparison(column, operator, value) if operator != "LIKE":
            return Comparison(column, OPPOSITE[operator], value)
    return Not(where)


def holds(where: Filter, passage: Passage) -> bool:
    """Whether a passage meets an ``affirmative`` filter."""
    match where:
        case And(parts):
            return all(holds(part, passage) for part in parts)
        case Or(parts):
            return any(holds(part, passage) for part in parts)
        case Not(IsNull(column)):
            return _value(column, passage) is not None
        case Not(Comparison() as comparison):
            value = _value(comparison.column, passage)
            return isinstance(value, str) and not _compares(value, comparison)
        case IsNull(column):
            return _value(column, passage) is None
        case Comparison():
            return _compares(_value(where.column, passage), where)
    raise AssertionError(f"{where} is not affirmative")


def equal_to_any(where: Or) -> tuple[Column, list[Value]] | None:
    """The column and the values of an IN, which the parser writes as OR."""
    parts = [part for part in where.parts if isinstance(part, Comparison) and part.operator == "="]
    columns = {part.column for part in parts}
    if len(parts) < len(where.parts) or len(columns) != 1:
        return None
    return columns.pop(), [part.value for part in parts]


def _value(column: Column, passage: Passage) -> Scalar:
    if column.in_metadata:
        return passage.metadata.get(column.name)
    value: Scalar = heading_trail(passage) if column.name == "headings" else getattr(passage, column.name)
    return value


def _compares(value: Scalar, comparison: Comparison) -> bool:
    wanted = comparison.value
    if isinstance(value, str) and isinstance(wanted, str):
        if comparison.operator == "LIKE":
            return _like(wanted).fullmatch(value) is not None
        return _ordered(comparison.operator, (value > wanted) - (value < wanted))
    if value is None or isinstance(value, str) or isinstance(wanted, str):
        return False
    if isinstance(value, bool) != isinstance(wanted, bool):
        return False
    return _ordered(comparison.operator, (value > wanted) - (value < wanted))


def _ordered(operator: Operator, sign: int) -> bool:
    match operator:
        case "=":
            return sign == 0
        case "<>":
            return sign != 0
        case "<":
            return sign < 0
        case "<=":
            return sign <= 0
        case ">":
            return sign > 0
        case ">=":
            return sign >= 0
    raise AssertionError(f"{operator} has no order")


@cache
def _like(pattern: str) -> re.Pattern[str]:
    parts = (".*" if c == "%" else "." if c == "_" else re.escape(c) for c in pattern)
    return re.compile("".join(parts), re.DOTALL)

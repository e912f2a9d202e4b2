"""Qdrant filters: affirmative filters as conditions on payloads.

Qdrant knows no LIKE and no order of texts. ``path LIKE 'folder/%'`` is tested by a list of folders that each
passage carries; all else of the kind is tested by ``VersionedStore`` on what comes back.
"""

from typing import Any

from qdrant_client import models

from quiver.search.filter_logic import equal_to_any
from quiver.search.filters import And, Column, Comparison, Filter, IsNull, Not, Or, key_of, keys_of


def is_understood(where: Filter) -> bool:
    """Whether every part has a condition that is neither less nor more."""
    match where:
        case And(parts) | Or(parts):
            return all(map(is_understood, parts))
        case Not(part):
            return isinstance(part, IsNull) and is_understood(part)
        case IsNull(column):
            return _has_key(column)
        case Comparison(column, operator, value):
            if operator == "LIKE":
                return _folder_of(where) is not None
            return _has_key(column) and (operator in ("=", "<>") or not isinstance(value, str))


def folders_of(path: str) -> list[str]:
    """All folders above a path, each with its last slash."""
    return [path[: at + 1] for at, character in enumerate(path) if character == "/"]


def _folder_of(comparison: Comparison) -> str | None:
    """The folder of ``path LIKE 'folder/%'``."""
    value = comparison.value
    if comparison.column != Column("path") or not isinstance(value, str) or not value.endswith("/%"):
        return None
    folder = value[:-1]
    return None if set(folder) & set("%_") else folder


def _has_key(column: Column) -> bool:
    """Whether the name can stand in a path to a payload's value."""
    return not column.in_metadata or '"' not in column.name


def filter_of(where: Filter) -> models.Filter:
    """A filter that holds wherever the other does."""
    condition = condition_of(where)
    return condition if isinstance(condition, models.Filter) else models.Filter(must=[condition])


def condition_of(where: Filter) -> Any:  # noqa: ANN401  (one of a dozen classes)
    """A condition that holds wherever the filter does."""
    match where:
        case And(parts):
            return models.Filter(must=[condition_of(part) for part in parts])
        case Or(parts):
            return _any_value(where) or models.Filter(should=[condition_of(part) for part in parts])
        case IsNull(column) if _has_key(column):
            return models.Filter(must=[_absent(key) for key in _keys(column)])
        case Not(IsNull(column)) if _has_key(column):
            return models.Filter(should=[_present(key) for key in _keys(column)])
        case Comparison(column, "=" | "<>") if _has_key(column):
            return _equality(where)
        case Comparison(column, "<" | "<=" | ">" | ">=", value) if not isinstance(value, str):
            if _has_key(column):
                return _range(_key(column, value), where.operator, value)
        case Comparison(operator="LIKE"):
            folder = _folder_of(where)
            if folder is not None:
                return models.FieldCondition(key="folders", match=models.MatchValue(value=folder))
    return models.Filter()


def _any_value(where: Or) -> Any:  # noqa: ANN401  (a condition or None)
    """An IN of texts as one condition."""
    found = equal_to_any(where)
    if found is None or not _has_key(found[0]) or not all(isinstance(value, str) for value in found[1]):
        return None
    texts = [str(value) for value in found[1]]
    return models.FieldCondition(key=_key(found[0], ""), match=models.MatchAny(any=texts))


def _equality(comparison: Comparison) -> Any:  # noqa: ANN401  (a condition)
    value, key = comparison.value, _key(comparison.column, comparison.value)
    if isinstance(value, str):
        same: Any = models.FieldCondition(key=key, match=models.MatchValue(value=value))
    else:
        same = models.FieldCondition(key=key, range=models.Range(gte=float(value), lte=float(value)))
    if comparison.operator == "=":
        return same
    return models.Filter(must=[_present(key)], must_not=[same])


def _range(key: str, operator: str, value: float) -> models.FieldCondition:
    names = {"<": "lt", "<=": "lte", ">": "gt", ">=": "gte"}
    return models.FieldCondition(key=key, range=models.Range(**{names[operator]: float(value)}))


def _absent(key: str) -> models.IsEmptyCondition:
    return models.IsEmptyCondition(is_empty=models.PayloadField(key=key))


def _present(key: str) -> models.Filter:
    return models.Filter(must_not=[_absent(key)])


def _keys(column: Column) -> list[str]:
    return [f'keys."{key}"' for key in keys_of(column)] if column.in_metadata else [column.name]


def _key(column: Column, value: str | float) -> str:
    return f'keys."{key_of(column, value)}"' if column.in_metadata else column.name

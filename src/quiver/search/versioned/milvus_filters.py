"""Milvus filters: affirmative filters in its own language."""

from quiver.search.filter_logic import equal_to_any
from quiver.search.filters import And, Column, Comparison, Filter, IsNull, Not, Or, Value, key_of, keys_of
from quiver.search.versioned.milvus_rows import FILTERED

EVERY_ROW = '(id != "")'


def is_understood(where: Filter) -> bool:
    """All but patterns with backslashes, and values longer than what is kept for filters."""
    match where:
        case And(parts) | Or(parts):
            return all(map(is_understood, parts))
        case Not(part):
            return is_understood(part)
        case Comparison(_, operator, str() as value):
            return len(value) < FILTERED and (operator != "LIKE" or "\\" not in value)
    return True


def expression_of(where: Filter) -> str:
    """An expression that holds wherever the filter does."""
    match where:
        case And(parts):
            return f"({' and '.join(map(expression_of, parts))})"
        case Or(parts):
            found = equal_to_any(where)
            if found is not None and not found[0].in_metadata:
                return f"{found[0].name} in [{', '.join(map(literal, found[1]))}]"
            return f"({' or '.join(map(expression_of, parts))})"
        case IsNull(column):
            return _absent(column)
        case Not(IsNull(column)):
            return f"(not {_absent(column)})"
        case Not(Comparison() as comparison):
            return _comparison(comparison, denied=True)
        case Comparison():
            return _comparison(where)
    raise AssertionError(f"{where} is not affirmative")


def _comparison(comparison: Comparison, *, denied: bool = False) -> str:
    place, given = _place(comparison.column, comparison.value)
    if not is_understood(comparison):
        return f"({given}{EVERY_ROW})"
    written = {"=": "==", "<>": "!=", "LIKE": "like"}.get(comparison.operator, comparison.operator)
    compared = f"{place} {written} {literal(comparison.value)}"
    return f"({given}not ({compared}))" if denied else f"({given}{compared})"


def _place(column: Column, value: Value) -> tuple[str, str]:
    """Where a column's value stands, and the condition that it is there."""
    if column.in_metadata:
        key = f"keys[{literal(key_of(column, value))}]"
        return key, f"exists {key} and "
    nullable = column.name in ("first_line", "last_line", "page")
    return column.name, f"{column.name} is not null and " if nullable else ""


def _absent(column: Column) -> str:
    if column.in_metadata:
        return f"(not ({' or '.join(f'exists keys[{literal(key)}]' for key in keys_of(column))}))"
    if column.name in ("first_line", "last_line", "page"):
        return f"({column.name} is null)"
    return f"(not {EVERY_ROW})"


def literal(value: Value) -> str:
    """A value in an expression."""
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return '"' + escaped.replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t") + '"'
    return repr(float(value) if isinstance(value, bool) else value)

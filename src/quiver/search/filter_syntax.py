"""Filter syntax: the part of SQL's expressions that every store understands.

    path LIKE 'docs/%' AND (page <= 3 OR metadata.year IN (2024, 2025)) AND NOT title IS NULL

All else is refused, so that no user's text reaches a database as SQL.
"""

import math
from typing import TYPE_CHECKING

from quiver.errors import InputError
from quiver.search.filters import COLUMNS, And, Column, Comparison, Filter, IsNull, Not, Operator, Or, Value

if TYPE_CHECKING:
    from sqlglot import exp

LONGEST_FILTER = 10_000
"""Characters."""

READ = frozenset({"this", "expression", "expressions", "low", "high", "table", "db", "catalog"})
"""Parts of the parser's nodes that are looked at; a node with any other says more than we understand."""


def parse_filter(text: str) -> Filter:
    """Read a filter; raises InputError naming what is no part of one."""
    import sqlglot
    from sqlglot import exp
    from sqlglot.errors import SqlglotError

    if len(text) > LONGEST_FILTER:
        raise InputError(f"the filter has {len(text):,} characters; at most {LONGEST_FILTER:,} are read")
    try:
        tree = sqlglot.parse_one(text, into=exp.Condition, dialect="postgres")
        return _convert(tree)
    except SqlglotError as error:
        reason = str(error).replace("\x1b[4m", "").replace("\x1b[0m", "").splitlines()[0]
        raise InputError(f"the filter {text!r} cannot be read: {reason}") from error
    except RecursionError as error:
        raise InputError("the filter is nested too deeply") from error


def _convert(node: "exp.Expr") -> Filter:
    if node.args.get("negate"):
        positive = node.copy()
        positive.set("negate", None)
        return Not(_convert(positive))
    if any(value for name, value in node.args.items() if name not in READ):
        raise InputError(f"{_sql(node)} is no part of a filter; {_known()}")
    return _logic(node)


def _logic(node: "exp.Expr") -> Filter:
    from sqlglot import exp

    match node:
        case exp.Paren():
            return _convert(node.this)
        case exp.And():
            return And(tuple(map(_convert, node.flatten())))
        case exp.Or():
            return Or(tuple(map(_convert, node.flatten())))
        case exp.Not():
            return Not(_convert(node.this))
        case exp.Between():
            low = _comparison(node.this, ">=", node.args["low"])
            return And((low, _comparison(node.this, "<=", node.args["high"])))
        case exp.In() if node.expressions:
            return Or(tuple(_comparison(node.this, "=", each) for each in node.expressions))
        case exp.Is() if isinstance(node.expression, exp.Null):
            return IsNull(_column(node.this))
        case exp.Column():
            return _comparison(node, "=", exp.true())
    return _ordered(node)


def _ordered(node: "exp.Expr") -> Comparison:
    """A comparison, with the column on whichever side."""
    from sqlglot import exp

    operators: dict[type, Operator] = {
        exp.EQ: "=",
        exp.NEQ: "<>",
        exp.LT: "<",
        exp.LTE: "<=",
        exp.GT: ">",
        exp.GTE: ">=",
        exp.Like: "LIKE",
    }
    operator = operators.get(type(node))
    if operator is None:
        raise InputError(f"{_sql(node)} is no part of a filter; {_known()}")

    mirrored: dict[Operator, Operator] = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
    if operator != "LIKE" and not isinstance(node.this, (exp.Column, exp.Bracket)):
        return _comparison(node.expression, mirrored.get(operator, operator), node.this)
    return _comparison(node.this, operator, node.expression)


def _comparison(column: "exp.Expr", operator: Operator, literal: "exp.Expr") -> Comparison:
    found, value = _column(column), _value(literal)
    expected = None if found.in_metadata else COLUMNS[found.name]
    if expected is str and not isinstance(value, str):
        raise InputError(f"{found} is a text: compare it with one in single quotes, not with {_sql(literal)}")
    if expected is int and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise InputError(f"{found} is a number and does not compare with {_sql(literal)}")
    if operator == "LIKE" and not isinstance(value, str):
        raise InputError(f"LIKE takes a text in single quotes, not {_sql(literal)}")
    if isinstance(value, bool) and operator not in ("=", "<>"):
        raise InputError(f"{found} {operator} {_sql(literal)}: true and false have no order")
    return Comparison(found, operator, value)


def _column(node: "exp.Expr") -> Column:
    from sqlglot import exp

    if isinstance(node, exp.Paren):
        return _column(node.this)
    if isinstance(node, exp.Column) and not node.args.get("db"):
        if node.table == "metadata":
            return Column(node.name, in_metadata=True)
        if not node.table and node.name in COLUMNS:
            return Column(node.name)
    if (
        isinstance(node, exp.Bracket)
        and _sql(node.this) == "metadata"
        and len(node.expressions) == 1
        and node.expressions[0].is_string
    ):
        return Column(node.expressions[0].name, in_metadata=True)
    raise InputError(f"{_sql(node)} is no column; {_known()}")


def _value(node: "exp.Expr") -> Value:
    from sqlglot import exp

    match node:
        case exp.Paren():
            return _value(node.this)
        case exp.Boolean():
            return bool(node.this)
        case exp.Neg(this=exp.Literal(is_string=False) as number):
            return -_number(number.name)
        case exp.Literal(is_string=True):
            return str(node.name)
        case exp.Literal():
            return _number(node.name)
    raise InputError(f"{_sql(node)} is no value; give a number, true, false or a text in single quotes")


def _number(text: str) -> int | float:
    try:
        number = int(text)
    except ValueError:
        return _finite(text)
    if abs(number) >= 2**63:
        raise InputError(f"{text} is too large a number")
    return number


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise InputError(f"{text} is too large a number")
    return number


def _sql(node: "exp.Expr") -> str:
    return node.sql(dialect="postgres")


def _known() -> str:
    return (
        f"columns are {', '.join(COLUMNS)} and metadata.NAME, compared with =, <>, <, <=, >, >=, LIKE, IN, "
        "BETWEEN or IS NULL, and joined by AND, OR and NOT"
    )

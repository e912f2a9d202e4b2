"""Filters without a database, beside the naive three-valued logic."""

from hypothesis import given
from hypothesis import strategies as st

from quiver.search.filter_logic import affirmative, equal_to_any, holds
from quiver.search.filter_syntax import parse_filter
from quiver.search.filters import And, Column, Comparison, Filter, IsNull, Not, Or, Value
from quiver.search.passages import Passage
from tests.search import examples

COLUMNS: tuple[tuple[Column, tuple[Value, ...]], ...] = (
    (Column("path"), ("docs/a.md", "docs/%", "_ocs/a.md", "z")),
    (Column("page"), (1, 2)),
    (Column("year", in_metadata=True), (2001, 2024.5, "2001", "20%", True)),
)
passages = st.builds(
    lambda path, page, year: examples.passage("text", path, page=page, metadata={"year": year}),
    st.sampled_from(["docs/a.md", "docs/b/c.md", "z", ""]),
    st.sampled_from([None, 1, 2]),
    st.sampled_from([None, 2001, 2024.5, "2001", True, False]),
)


@st.composite
def leaves(draw: st.DrawFn) -> Filter:
    column, values = draw(st.sampled_from(COLUMNS))
    if draw(st.booleans()):
        return IsNull(column)
    value = draw(st.sampled_from(values))
    operators = ["=", "<>"] if isinstance(value, bool) else ["=", "<>", "<", "<=", ">", ">="]
    return Comparison(column, draw(st.sampled_from([*operators, *["LIKE"] * isinstance(value, str)])), value)


filters = st.recursive(
    leaves(),
    lambda inner: (
        st.builds(Not, inner)
        | st.builds(And, st.tuples(inner, inner))
        | st.builds(Or, st.tuples(inner, inner))
    ),
    max_leaves=6,
)


@given(filters, passages)
def test_an_affirmative_filter_holds_where_the_filter_is_true(where: Filter, passage: Passage) -> None:
    assert holds(affirmative(where), passage) == (examples.holds(where, passage) is True)


def test_an_in_is_recognised() -> None:
    found = parse_filter("path IN ('a', 'b')")
    assert isinstance(found, Or)
    assert equal_to_any(found) == (Column("path"), ["a", "b"])
    mixed = parse_filter("path = 'a' OR title = 'a'")
    assert isinstance(mixed, Or)
    assert equal_to_any(mixed) is None

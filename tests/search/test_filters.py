"""Filters: what is read, and that all else is refused by name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quiver.errors import InputError
from quiver.search.filter_syntax import parse_filter
from quiver.search.filters import And, Column, Comparison, Filter, IsNull, Not, Or, filter_keys

PAGE, PATH = Column("page"), Column("path")


def key(name: str) -> Column:
    return Column(name, in_metadata=True)


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("page = 3", Comparison(PAGE, "=", 3)),
        ("3 < page", Comparison(PAGE, ">", 3)),
        ("page != 2.5", Comparison(PAGE, "<>", 2.5)),
        ("path = 'it''s'", Comparison(PATH, "=", "it's")),
        ("path NOT LIKE 'a%'", Not(Comparison(PATH, "LIKE", "a%"))),
        ("page IS NOT NULL", Not(IsNull(PAGE))),
        ("page BETWEEN 1 AND 2", And((Comparison(PAGE, ">=", 1), Comparison(PAGE, "<=", 2)))),
        ("page NOT BETWEEN 1 AND 2", Not(And((Comparison(PAGE, ">=", 1), Comparison(PAGE, "<=", 2))))),
        ("metadata.a IN (-1, 'x')", Or((Comparison(key("a"), "=", -1), Comparison(key("a"), "=", "x")))),
        ("metadata['a b'] = true", Comparison(key("a b"), "=", True)),
        ('metadata."A" = 1', Comparison(key("A"), "=", 1)),
        ("metadata.draft", Comparison(key("draft"), "=", True)),
        (
            "page = 1 OR (page = 2 AND NOT page = 3)",
            Or((Comparison(PAGE, "=", 1), And((Comparison(PAGE, "=", 2), Not(Comparison(PAGE, "=", 3)))))),
        ),
    ],
)
def test_what_is_read(text: str, meaning: Filter) -> None:
    assert parse_filter(text) == meaning


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "cannot be read"),
        ("((", "cannot be read"),
        ("page = 1; DROP TABLE x", "cannot be read"),
        ("page = 1 page = 2", "cannot be read"),
        ("author = 'x'", "author is no column; columns are path, title, headings"),
        ("metadata = 1", "metadata is no column"),
        ("metadata.a.b = 1", r"metadata\.a\.b is no column"),
        ("page = (SELECT 1)", r"\(SELECT 1\) is no value"),
        ("EXISTS(SELECT 1)", "is no part of a filter"),
        ("pg_sleep(3) = 1", "is no column"),
        ("path IN (SELECT path FROM x)", "is no part of a filter"),
        ("path LIKE 'a' ESCAPE 'b'", "is no part of a filter"),
        ("page = page", "page is no value"),
        ("path = x", "x is no value"),
        ('path = "x"', '"x" is no value'),
        ("page = NULL", "NULL is no value"),
        ("path = $1", "is no value"),
        ("page = 'x'", "page is a number and does not compare with 'x'"),
        ("page", "page is a number"),
        ("path = 3", "path is a text: compare it with one in single quotes, not with 3"),
        ("metadata.x LIKE 3", "LIKE takes a text"),
        ("metadata.x > TRUE", "true and false have no order"),
        ("metadata.x = 1e999", "1e999 is too large a number"),
        ("metadata.x = 99999999999999999999", "too large a number"),
        ("(" * 4000 + "page = 1" + ")" * 4000, "nested too deeply"),
        ("page = 1 OR " * 2000 + "page = 1", "at most 10,000"),
    ],
)
def test_what_is_refused(text: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        parse_filter(text)


def test_a_long_list_is_no_deep_nest() -> None:
    read = parse_filter(" OR ".join(["page=1"] * 900))
    assert isinstance(read, Or)
    assert len(read.parts) == 900


@given(st.text(alphabet="path metadata.=<>'\"()0123 ANDORNOTLIKEIN;-$[]\\,", max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parse_filter(text)
    except InputError:
        pass


def test_metadata_is_kept_by_kind() -> None:
    kept = filter_keys({"a": 1, "b": "1", "c": True, "d": None, "e": float("nan"), "f": 10**400})
    assert kept == {"number:a": 1.0, "text:b": "1", "flag:c": 1.0}

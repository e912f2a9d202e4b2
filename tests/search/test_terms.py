"""Terms: the words that are compared, and those of a query that say what it is about."""

import pytest

from quiver.search.terms import query_terms, terms


def test_words_are_lower_cased_and_stemmed() -> None:
    assert terms("Indexes of FILES, indexed") == ["index", "of", "file", "index"]


def test_pairs_of_characters_where_no_spaces_are_written() -> None:
    assert terms("全文検索 sqlite") == ["全文", "文検", "検索", "sqlite"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("How do I undo my last commit?", ["undo", "last", "commit"]),
        ("What is the IT department?", ["it", "depart"]),
        ("column IS NULL", ["column", "is", "null"]),
        ("undo, and undo again", ["undo", "and", "again"]),
        ("who are you", ["who", "are", "you"]),
        ("Wie heißt das Schiff?", ["wie", "heißt", "das", "schiff"]),
        ("?!", []),
    ],
)
def test_what_a_query_is_about(query: str, expected: list[str]) -> None:
    assert query_terms(query) == expected

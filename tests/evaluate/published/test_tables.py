"""The published tables: the README's own, to the last digit."""

import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from quiver.errors import InputError
from quiver.evaluate.published import TABLES, Table, published_table, published_tables
from quiver.evaluate.published.tables import MEAN_BY_TASK, MEAN_BY_TYPE

README = Path(__file__).with_name("tables.md")
"""The chapter on evaluation of Qwen3 Embedding's README, as it was published."""

MISPRINTED = {("chinese", "bge-multilingual-gemma2"), ("multilingual", "Qwen3-Embedding-0.6B")}
"""Rows whose printed mean by type is not that of their printed columns: 1.23 and 0.01 off."""


def printed() -> Iterator[tuple[str, list[list[str]]]]:
    """Title and lines of cells of each table, without the marks of bold print."""
    for chapter in README.read_text().split("### ")[1:]:
        title, _, rest = chapter.partition("\n")
        lines = [line.strip().strip("|").split("|") for line in rest.splitlines() if line.startswith("|")]
        yield title.strip(), [[cell.strip().strip("*").strip() for cell in line] for line in lines]


def test_every_row_and_column() -> None:
    expected = dict(printed())
    assert [table.title for table in published_tables()] == list(expected)
    for table in published_tables():
        head, _, *rows = expected[table.title]
        assert [table.model_column, table.size_column, *(column.name for column in table.columns)] == head
        assert [[row.model, row.size, *map(str, row.scores)] for row in table.rows] == rows
    assert sum(len(table.rows) * len(table.columns) for table in published_tables()) == 328


@pytest.mark.parametrize("name", [name for name in TABLES if name != "reranking"])
def test_means_by_type_are_those_of_the_columns(name: str) -> None:
    table = published_table(name)
    for row in table.rows:
        by_measure = {column.measure: score for column, score in table.by_column(row).items()}
        types = [score for measure, score in by_measure.items() if not measure.startswith("mean")]
        off = abs(sum(types, Decimal()) / len(types) - by_measure[MEAN_BY_TYPE])
        # Each column is rounded by 0.005 at most, and so is their mean.
        assert (off > Decimal("0.01")) == ((name, row.model) in MISPRINTED)


def test_what_columns_are_the_mean_of() -> None:
    multilingual, reranking = published_table("multilingual"), published_table("reranking")
    assert multilingual.columns[0].measure == MEAN_BY_TASK
    assert {column.benchmark for column in multilingual.columns} == {"MTEB(Multilingual, v2)"}
    assert [(column.name, column.benchmark) for column in reranking.columns][3:] == [
        ("MLDR", "MLDR"),
        ("MTEB-Code", "MTEB(Code, v1)"),
        ("FollowIR", "FollowIR"),
    ]


@pytest.mark.parametrize("name", ["Qwen/Qwen3-Embedding-0.6B", "models/qwen3-embedding-0.6b/"])
def test_a_row_by_any_of_its_names(name: str) -> None:
    row = published_table("reranking").row(name)
    assert row is not None
    assert str(row.scores[0]) == "61.82"


def test_a_row_that_is_not_there() -> None:
    assert published_table("reranking").row("quiver-reranker-mini") is None


def test_a_table_that_is_not_there() -> None:
    with pytest.raises(InputError, match="there are multilingual, english, chinese, reranking"):
        published_table("french")


def test_the_same_benchmarks_agree_between_tables() -> None:
    """The rerankers' table starts from the embedder's lists; its columns round the others' downwards."""
    row = published_table("reranking").row("Qwen3-Embedding-0.6B")
    assert row is not None
    for score, table, column in ((row.scores[0], "english", "Retri."), (row.scores[1], "chinese", "Retr.")):
        assert abs(score - cell(published_table(table), "Qwen3-Embedding-0.6B", column)) == Decimal("0.01")


def cell(table: Table, model: str, column: str) -> Decimal:
    row = table.row(model)
    assert row is not None
    return next(score for each, score in table.by_column(row).items() if each.name == column)


def test_no_cell_is_in_bold() -> None:
    cells = [str(score) for table in published_tables() for row in table.rows for score in row.scores]
    assert all(re.fullmatch(r"-?\d+\.\d{1,2}", text) for text in cells)

import json
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from quiver.errors import UnreadableFile
from quiver.rows.parse import DEFAULT_FIELDS
from quiver.search.ingest.readers.table import TEXT_FIELDS
from quiver.search.passages import Passage
from tests.search.ingest.made import passages


def as_csv(folder: Path) -> list[Passage]:
    return passages(folder / "a.csv", 'title,text,year\nA,"one\ntwo",2024\nB,three,\n')


def as_tsv(folder: Path) -> list[Passage]:
    return passages(folder / "a.tsv", 'title\ttext\tyear\nA\t"one\ntwo"\t2024\nB\tthree\t\n')


def as_jsonl(folder: Path) -> list[Passage]:
    rows: list[dict[str, Any]] = [
        {"title": "A", "text": "one\ntwo", "year": "2024"},
        {"title": "B", "text": "three", "year": ""},
    ]
    return passages(folder / "a.jsonl", "\n\n".join(map(json.dumps, rows)))


def as_parquet(folder: Path) -> list[Passage]:
    columns = {
        "title": ["A", "B"],
        "text": ["one\ntwo", "three"],
        "year": ["2024", ""],
        "vector": [[0.5], [1.0]],
    }
    pyarrow.parquet.write_table(pyarrow.table(columns), folder / "b.parquet")
    return passages(folder / "a.parquet", (folder / "b.parquet").read_bytes())


@pytest.mark.parametrize("read", [as_csv, as_tsv, as_jsonl, as_parquet])
def test_a_row_is_a_passage_and_its_other_columns_are_metadata(tmp_path: Path, read: Any) -> None:
    first, second = read(tmp_path)
    assert (first.text, first.title, first.metadata) == ("one\ntwo", "A", {"year": "2024"})
    assert (second.text, second.title, second.start) == ("three", "B", 8)


def test_rows_know_their_lines(tmp_path: Path) -> None:
    assert [(row.first_line, row.last_line) for row in as_csv(tmp_path)] == [(2, 3), (4, 4)]
    assert [(row.first_line, row.last_line) for row in as_jsonl(tmp_path)] == [(1, 1), (3, 3)]


def test_text_fields_are_those_of_the_shell() -> None:
    assert TEXT_FIELDS == DEFAULT_FIELDS


def test_without_a_text_field_a_row_is_its_names_and_values(tmp_path: Path) -> None:
    (row,) = passages(tmp_path / "a.csv", "name,size,note\nGoose feather,9,\n")
    assert row.text == "name: Goose feather\nsize: 9"
    assert row.metadata == {"name": "Goose feather", "size": "9", "note": ""}


def test_long_rows_are_cut_and_all_parts_know_the_row(tmp_path: Path) -> None:
    found = passages(tmp_path / "a.jsonl", json.dumps({"text": "word " * 200, "id": 7}), max_tokens=50)
    assert len(found) > 3
    assert all((part.metadata, part.first_line) == ({"id": 7}, 1) for part in found)


def test_lines_of_strings_are_texts(tmp_path: Path) -> None:
    assert [row.text for row in passages(tmp_path / "a.jsonl", '"one"\n\n"two"\n')] == ["one", "two"]


def test_values_become_what_every_store_takes(tmp_path: Path) -> None:
    record = (
        '{"text": "a", "b": [1, {"c": null}], "d": 1e999, "e": 123456789012345678901, "f": true, "g": null}'
    )
    (row,) = passages(tmp_path / "a.jsonl", record)
    assert row.metadata == {
        "b": '[1, {"c": null}]',
        "d": "inf",
        "e": "123456789012345678901",
        "f": True,
        "g": None,
    }


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.jsonl", '{"text": "a"}\n{"text": ', "line 2: malformed JSON at character 10"),
        ("a.jsonl", "[" * 100_000, "line 1: JSON that cannot be read"),
        ("a.jsonl", '{"text": "\\ud800"}', "line 1: .* half of a character"),
        ("a.jsonl", '{"text": "a", "b": ["\\udc80"]}', "line 1: .* half of a character"),
        ("a.jsonl", '{"text": 5}', "line 1: the field 'text' is no string"),
        ("a.jsonl", "5", "line 1: neither"),
        ("a.jsonl", '{"text": "a", "n": ' + "9" * 5000 + "}", "line 1: JSON that cannot be read"),
        ("a.csv", "text,b\none\n", "line 2: 1 fields where the first line names 2"),
        ("a.csv", 'text\n"one\n', "line 2"),
        ("a.csv", "text,b,b\n1,2,3\n", "more than one column is named 'b'"),
        ("a.parquet", "PAR1 no more", "no whole Parquet file"),
        ("a.parquet", "", "no whole Parquet file"),
    ],
)
def test_what_cannot_be_read_has_a_reason(tmp_path: Path, name: str, content: str, reason: str) -> None:
    with pytest.raises(UnreadableFile, match=reason):
        passages(tmp_path / name, content)


def test_an_escaped_nul_is_replaced(tmp_path: Path) -> None:
    (row,) = passages(tmp_path / "a.jsonl", r'{"text": "a\u0000b", "c": "\u0000"}')
    assert (row.text, row.metadata) == ("a\ufffdb", {"c": "\ufffd"})

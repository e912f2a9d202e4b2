import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from quiver.errors import InputError
from quiver.train.rows import TrainingRow, parse_row, read_rows

ROW = TrainingRow("q", ("p",), ("n", "m"), "i", "t")


def write(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize(
    "raw",
    [
        {"query": "q", "positive": "p", "negatives": ["n", "m"], "instruction": "i", "task": "t"},
        {"query": "q", "positives": ["p"], "negative": ["n", "m"], "instruction": "i", "task": "t"},
        {"anchor": "q", "positive": "p", "negative_1": "n", "negative_2": "m", "prompt": "i", "task": "t"},
        {"query": "q", "pos": ["p"], "neg": ["n", "m"], "prompt": "i", "task": "t"},
        {"query": "q", "response": "p", "rejected_response": ["n", "m"], "instruction": "i", "task": "t"},
        {
            "messages": [{"role": "system", "content": "i"}, {"role": "user", "content": "q"}],
            "positive_messages": [[{"role": "user", "content": "p"}]],
            "negative_messages": [[{"role": "user", "content": t}] for t in "nm"],
            "task": "t",
        },
    ],
)
def test_field_names_of_other_trainers_are_read(raw: dict[str, Any]) -> None:
    assert parse_row(raw) == ROW


def test_jsonl_and_parquet_hold_the_same_rows(tmp_path: Path) -> None:
    raw = {"query": "q", "positives": ["p"], "negatives": ["n", "m"], "instruction": "i", "task": "t"}
    lines = write(tmp_path / "rows.jsonl", raw)
    table = tmp_path / "rows.parquet"
    parquet.write_table(pa.Table.from_pylist([raw]), table)
    assert read_rows([lines, table]) == [ROW, ROW]


def test_instruction_and_task_may_be_absent(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.jsonl", {"query": "q", "positive": "p", "instruction": None})
    assert read_rows([path]) == [TrainingRow("q", ("p",))]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ([1], "not an object"),
        ({"positive": "p"}, "no query"),
        ({"query": " ", "positive": "p"}, "no query"),
        ({"query": "q"}, "no positive"),
        ({"query": "q", "positive": ""}, "positive is empty"),
        ({"query": "q", "positive": [1]}, "positives must be"),
        ({"query": "q", "positive": "p", "negatives": ["p"]}, "both"),
        ({"query": "q", "positive": "p", "negatives": {"a": 1}}, "negatives must be"),
        ({"query": "q", "positive": "p", "instruction": 3}, "instruction must be"),
        ({"messages": "hello"}, "role and content"),
        ({"query": "q", "positive": "\ud800"}, "not valid Unicode"),
    ],
)
def test_a_bad_row_is_named_by_line_and_reason(tmp_path: Path, row: object, reason: str) -> None:
    good = {"query": "q", "positive": "p"}
    path = write(tmp_path / "rows.jsonl", good, row, good)
    with pytest.raises(InputError, match=rf"1 of 3 rows.*\n.*line 2: .*{reason}"):
        read_rows([path])


def test_broken_json_and_wrong_encodings_are_named_too(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"query": "q"\n\n{"query": "\xff", "positive": "p"}\n')
    with pytest.raises(InputError, match=r"line 1: (.|\n)*line 3: .*Unicode"):
        read_rows([path])


def test_many_bad_rows_are_counted_and_some_shown(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.jsonl", *[{"query": "q"}] * 50)
    with pytest.raises(InputError, match=r"50 of 50 rows(.|\n)*and 30 more"):
        read_rows([path])


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    (tmp_path / "bad.parquet").write_text("no")
    (tmp_path / "empty.jsonl").write_text("\n")
    for name, reason in (
        ("none.jsonl", "cannot read"),
        ("bad.parquet", "Parquet"),
        ("empty.jsonl", "no rows"),
    ):
        with pytest.raises(InputError, match=reason):
            read_rows([tmp_path / name])


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["query", "positive", "neg", "messages", "role", "content"]), inner)
    ),
)


@given(json_values)
def test_any_value_is_a_row_or_a_reason(raw: object) -> None:
    try:
        assert parse_row(raw).positives
    except ValueError as error:
        assert str(error)  # noqa: PT017

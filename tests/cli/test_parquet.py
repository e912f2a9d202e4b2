import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quiver.cli.parquet import ParquetTable
from quiver.cli.read import InputChoice, open_texts
from quiver.cli.target import Target, open_target
from quiver.errors import InputError
from quiver.rows.parquet import MissingExtraError, read_column


def stored(columns: dict[str, Any] | pa.Table, **options: Any) -> bytes:
    table = columns if isinstance(columns, pa.Table) else pa.table(columns)
    stream = io.BytesIO()
    pq.write_table(table, stream, **options)
    return stream.getvalue()


def read(content: bytes, field: str | None = None) -> list[str]:
    return list(read_column(io.BytesIO(content), "a.parquet", field, lambda message: None))


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]))))
def test_texts_round_trip(texts: list[str]) -> None:
    assert read(stored({"text": pa.array(texts, pa.string())})) == texts


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())]
)
def test_every_kind_of_string_column(kind: pa.DataType) -> None:
    assert read(stored({"n": [1, 2], "text": pa.array(["x", "y"]).cast(kind)})) == ["x", "y"]


def test_more_rows_than_one_batch() -> None:
    texts = [str(number) for number in range(10_000)]
    assert read(stored({"text": texts}, row_group_size=3000)) == texts


def test_a_column_by_name() -> None:
    content = stored({"text": ["x"], "a.b": ["dotted"], "body": ["z"]})
    assert read(content, "body") == ["z"]
    assert read(content, "a.b") == ["dotted"]


@pytest.mark.parametrize(
    ("content", "field", "message"),
    [
        (b"", None, "a.parquet is not a whole Parquet file"),
        (b"PAR1 no PAR1", None, "a.parquet is not a whole Parquet file"),
        (stored({"text": ["x"] * 100})[:-20], None, "a.parquet is not a whole Parquet file"),
        (stored({"body": ["x"]}), None, "a.parquet: none of the fields .*; found 'body'"),
        (stored({"body": ["x"]}), "text", "a.parquet: no field 'text'; found 'body'"),
        (stored({"text": [1]}), None, "the column 'text' holds int64, not strings"),
        (stored({"text": [b"x"]}), None, "the column 'text' holds binary, not strings"),
        (stored({"text": ["x", None]}), None, "a.parquet, row 2: the column 'text' is null"),
        (
            stored(pa.table([["x"], ["y"]], names=["text", "text"])),
            None,
            "2 columns are named 'text'",
        ),
    ],
)
def test_bad_files_are_refused(content: bytes, field: str | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(content, field)


def test_a_damaged_page_is_refused() -> None:
    content = bytearray(stored({"text": [f"text {n}" for n in range(1000)]}, compression="zstd"))
    content[40:400] = bytes(360)
    with pytest.raises(InputError, match=r"a\.parquet is not a whole Parquet file"):
        read(bytes(content))


def test_texts_that_are_not_utf8_are_refused() -> None:
    column = pa.StringArray.from_buffers(1, pa.py_buffer(np.array([0, 1], np.int32)), pa.py_buffer(b"\xff"))
    with pytest.raises(InputError, match=r"a\.parquet is not a whole Parquet file.*decode"):
        read(stored({"text": column}))


def test_an_empty_table_holds_no_texts(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(stored({"text": pa.array([], pa.string())}))
    with pytest.raises(InputError, match=r"a\.parquet holds no texts"):
        list(open_texts(InputChoice(files=[path]), lambda message: None))


def test_without_pyarrow_the_install_line_is_given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r'pip install "quiver-embed\[parquet\]"'):
        read(b"")
    with open_target(tmp_path / "a") as target, pytest.raises(MissingExtraError):
        ParquetTable(target)


def test_a_table_grows_by_blocks() -> None:
    stream = io.BytesIO()
    table = ParquetTable(Target(stream, "a.parquet", rewritable=True))
    rows = np.arange(6, dtype=np.float32).reshape(3, 2)
    table.write({"text": ["a", "b"], "embedding": rows[:2]}, {"key": "value"})
    table.write({"text": ["c"], "embedding": rows[2:]}, {"key": "value"})
    table.finish()
    found = pq.read_table(io.BytesIO(stream.getvalue()))
    assert found.schema.field("embedding").type == pa.list_(pa.float32(), 2)
    assert found["embedding"].to_pylist() == rows.tolist()
    assert found["text"].to_pylist() == ["a", "b", "c"]
    assert found.schema.metadata[b"key"] == b"value"

"""Rows: CSV, TSV, JSONL and Parquet as fields with the place that they stand at, for errors to name."""

import csv
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from quiver.errors import InputError
from quiver.evaluate.lines import Line, check_text, read_jsonl

LONGEST_CSV_FIELD = 2**31 - 1
"""The csv module's own limit is less than a long text."""


def read_rows(path: Path) -> Iterator[Line]:
    """The rows of a file, by the end of its name; raises InputError."""
    match path.suffix.lower():
        case ".csv":
            return _delimited(path, ",")
        case ".tsv":
            return _delimited(path, "\t")
        case ".jsonl" | ".ndjson":
            return read_jsonl(path)
        case ".parquet":
            return _parquet(path)
    raise InputError(f"{path}: its name does not say what it holds; end it in .csv, .tsv, .jsonl or .parquet")


def _delimited(path: Path, delimiter: str) -> Iterator[Line]:
    csv.field_size_limit(LONGEST_CSV_FIELD)
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = csv.reader(stream, delimiter=delimiter, strict=True)
            header = next(rows, [])
            if len(set(header)) < len(header):
                raise InputError(f"{path}, line 1: two columns have the same name")
            for row in rows:
                where = f"{path}, line {rows.line_num}"
                if row and len(row) != len(header):
                    raise InputError(f"{where}: {len(row)} fields where the first line names {len(header)}")
                if row:
                    yield Line(where, dict(zip(header, row, strict=True)))
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: byte {error.start + 1} is not UTF-8; convert the file first") from None
    except (csv.Error, OSError) as error:
        raise InputError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from error


def _parquet(path: Path) -> Iterator[Line]:
    try:
        import pyarrow as arrow
        from pyarrow import parquet
    except ModuleNotFoundError as error:
        raise InputError("Parquet needs pyarrow: pip install 'quiver-embed[parquet]'") from error
    try:
        batches = parquet.ParquetFile(path).iter_batches()
        rows = chain.from_iterable(batch.to_pylist() for batch in batches)
        for number, row in enumerate(rows, start=1):
            yield Line(f"{path}, row {number}", row)
    except (arrow.ArrowException, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise InputError(f"{path} is no readable Parquet file: {reason}") from error


def texts_of(line: Line, name: str) -> list[str]:
    """A field that holds a text, a number that serves as an id, or a list of them."""
    value = line.fields[name]
    values = value if isinstance(value, list) else [value]
    texts = [str(each) if isinstance(each, int) else each for each in values]
    return [check_text(text, name, line.where) for text in texts]

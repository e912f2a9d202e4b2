"""Rows: CSV, TSV and JSONL, read line by line with the lines that each row stands on."""

import csv
import io
import json
from collections.abc import Iterator

from quiver.errors import UnreadableFile
from quiver.search.ingest.readers.table import Record

LONGEST_FIELD = 2**31 - 1


def jsonl_rows(text: str) -> Iterator[Record]:
    """A row for every line that is not blank: an object, or a string, which is a text."""
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        value = _value(line, number)
        if isinstance(value, str):
            value = {"text": value}
        if not isinstance(value, dict):
            raise UnreadableFile(f"line {number}: neither an object nor a string")
        if "\\" in line:
            _check_characters(value, number)
        yield Record(value, number, number)


def csv_rows(text: str, delimiter: str) -> Iterator[Record]:
    """A row for every row but the first, which names the columns."""
    csv.field_size_limit(LONGEST_FIELD)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header: list[str] = []
    last = 0
    while True:
        try:
            row = next(rows, None)
        except csv.Error as error:
            raise UnreadableFile(f"line {rows.line_num}: {error}") from None
        if row is None:
            return
        first, last = last + 1, rows.line_num
        if not row:
            continue
        if not header:
            header = _header(row)
        elif len(row) != len(header):
            raise UnreadableFile(f"line {last}: {len(row)} fields where the first line names {len(header)}")
        else:
            yield Record(dict(zip(header, row, strict=True)), first, last)


def _header(row: list[str]) -> list[str]:
    """The names of the columns, those without one by their number."""
    names = [name.strip() or f"column {number}" for number, name in enumerate(row, start=1)]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UnreadableFile(f"line 1: more than one column is named {twice!r}")
    return names


def _value(line: str, number: int) -> object:
    try:
        value: object = json.loads(line)
    except json.JSONDecodeError as error:
        raise UnreadableFile(
            f"line {number}: malformed JSON at character {error.colno}: {error.msg}"
        ) from None
    except (ValueError, RecursionError) as error:
        raise UnreadableFile(f"line {number}: JSON that cannot be read: {error}") from None
    return value


def _check_characters(value: object, number: int) -> None:
    """Escapes can name half a character, which is no text."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except (UnicodeEncodeError, RecursionError):
        raise UnreadableFile(f"line {number}: an escape that is only half of a character") from None

"""Parsing: the bytes of one text, JSONL, CSV or TSV file to texts, line by line."""

import codecs
import csv
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any, BinaryIO

from quiver.errors import InputError

DEFAULT_FIELDS = ("text", "content", "passage", "document", "query")
"""Where a text is looked for when the user does not say."""

Say = Callable[[str], None]
"""Tells the user something that is worth knowing but no error."""

LONGEST_CSV_FIELD = 2**31 - 1
"""The most that the csv module takes on every platform; its default is 128 KiB, less than a long text."""

JSON_TYPE_NAMES = {
    bool: "a boolean",
    int: "a number",
    float: "a number",
    list: "an array",
    dict: "an object",
    type(None): "null",
}


def lines(stream: BinaryIO, name: str) -> Iterator[str]:
    """Every line is a text."""
    for _, line in _decoded_lines(stream, name):
        yield line.removesuffix("\n").removesuffix("\r")


def jsonl(stream: BinaryIO, name: str, field: str | None, say: Say) -> Iterator[str]:
    r"""Every line is a JSON string, or an object with a field; lines end with "\n" only."""
    for number, line in _decoded_lines(stream, name):
        if not line.strip():
            continue
        where = f"{name}, line {number}"
        value = _json_value(line, where)
        if isinstance(value, dict):
            if field is None:
                field = choose_field(list(value), where)
                say(f"{name}: reading the field {field!r}")
            value = _field_value(value, field, where)
        elif not isinstance(value, str):
            raise InputError(f"{where}: {JSON_TYPE_NAMES[type(value)]}, not a string or an object")
        yield check_characters(value, where)


def table(stream: BinaryIO, name: str, field: str | None, say: Say, *, delimiter: str) -> Iterator[str]:
    """A column of a CSV or TSV file, whose first line names the columns."""
    rows = _csv_rows(stream, name, delimiter)
    _, header = next(rows, (0, []))
    if not header:
        return
    where = f"{name}, line 1"
    if field is None:
        field = choose_field(header, where)
        say(f"{name}: reading the column {field!r}")
    elif field not in header:
        raise missing_field(field, header, where)
    if header.count(field) > 1:
        raise InputError(f"{where}: {header.count(field)} columns are named {field!r}; rename one")
    column = header.index(field)
    for number, row in rows:
        if len(row) != len(header):
            raise InputError(
                f"{name}, line {number}: {len(row)} fields where the first line names {len(header)}; "
                f"texts that hold {delimiter!r}, quotes or line breaks need quotes around them"
            )
        yield row[column]


def check_characters(text: str, where: str) -> str:
    """Return the text if UTF-8 can express it; lone surrogates stand for bytes that are no text."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        code = ord(text[error.start])
        reason = "bytes that are not UTF-8" if 0xDC80 <= code <= 0xDCFF else f"the lone surrogate U+{code:X}"
        raise InputError(f"{where}: character {error.start + 1} is no text but {reason}") from None
    return text


def choose_field(names: Sequence[str], where: str) -> str:
    """The first usual name of a text field that is among ``names``."""
    for usual in DEFAULT_FIELDS:
        if usual in names:
            return usual
    raise InputError(
        f"{where}: none of the fields {', '.join(DEFAULT_FIELDS)}; found {_listed(names)}; "
        "say which holds the text with --field"
    )


def missing_field(field: str, names: Sequence[str], where: str) -> InputError:
    """The error that says which fields there are instead."""
    return InputError(f"{where}: no field {field!r}; found {_listed(names)}")


def _decoded_lines(stream: BinaryIO, name: str) -> Iterator[tuple[int, str]]:
    r"""Number and content of each line, its "\n" included."""
    for number, raw in enumerate(stream, start=1):
        line = raw.removeprefix(codecs.BOM_UTF8) if number == 1 else raw
        if not line:
            continue  # nothing but the byte order mark
        try:
            yield number, line.decode()
        except UnicodeDecodeError as error:
            wide = number == 1 and raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
            encoding = "UTF-16" if wide else "its own encoding"
            raise InputError(
                f"{name}, line {number}: byte {error.start + 1} is not UTF-8; convert the file"
                f" from {encoding} to UTF-8 first, with iconv for example"
            ) from None


def _json_value(line: str, where: str) -> Any:  # noqa: ANN401  (JSON is anything)
    try:
        return json.loads(line)
    except json.JSONDecodeError as error:
        raise InputError(f"{where}: malformed JSON at character {error.colno}: {error.msg}") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: JSON that cannot be read: {error}") from None


def _field_value(record: dict[str, Any], field: str, where: str) -> str:
    if field not in record:
        raise missing_field(field, list(record), where)
    value = record[field]
    if not isinstance(value, str):
        raise InputError(f"{where}: the field {field!r} is {JSON_TYPE_NAMES[type(value)]}, not a string")
    return value


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names)) if names else "no fields at all"


def _csv_rows(stream: BinaryIO, name: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Rows that are not empty, with the number of their last line."""
    csv.field_size_limit(LONGEST_CSV_FIELD)
    content = (line for _, line in _decoded_lines(stream, name))
    rows = csv.reader(content, delimiter=delimiter, strict=True)
    while True:
        try:
            row = next(rows, None)
        except csv.Error as error:
            raise InputError(f"{name}, line {rows.line_num}: malformed {error}") from None
        if row is None:
            return
        if row:
            yield rows.line_num, row

r"""Lines: JSONL and TSV files, checked, so that every error names its file and line.

Lines end with "\n" only. TSV has no quoting; its first line names the columns.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quiver.errors import InputError


@dataclass(frozen=True, slots=True)
class Line:
    """One row of a file and where it stands."""

    where: str
    fields: dict[str, Any]

    def text(self, name: str) -> str:
        """A field that must hold a text."""
        return check_text(self._field(name), name, self.where)

    def texts(self, name: str) -> list[str]:
        """A field that must hold a list of texts."""
        value = self._field(name)
        if not isinstance(value, list):
            raise InputError(f"{self.where}: {name!r} must be a list of texts")
        return [check_text(text, name, self.where) for text in value]

    def _field(self, name: str) -> object:
        if name not in self.fields:
            raise InputError(f"{self.where}: no field {name!r}; found {', '.join(self.fields) or 'none'}")
        return self.fields[name]


def read_jsonl(path: Path) -> Iterator[Line]:
    """The objects of a JSONL file."""
    for number, line in read_lines(path):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{where}: malformed JSON: {error}") from None
        if not isinstance(value, dict):
            raise InputError(f"{where}: not an object with fields")
        yield Line(where, value)


def read_tsv(path: Path, columns: Sequence[str]) -> Iterator[Line]:
    """The rows of a TSV file that has at least these columns."""
    lines = read_lines(path)
    _, first = next(lines, (1, ""))
    header = first.split("\t")
    missing = [column for column in columns if header.count(column) != 1]
    if missing:
        raise InputError(
            f"{path}, line 1: no column {missing[0]!r}, or more than one; the first line names {header}"
        )
    for number, line in lines:
        if not line:
            continue
        values = line.split("\t")
        if len(values) != len(header):
            raise InputError(
                f"{path}, line {number}: {len(values)} fields where the first line names {len(header)}; a "
                "text must not hold tabs or line breaks"
            )
        yield Line(f"{path}, line {number}", dict(zip(header, values, strict=True)))


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    r"""Number and text of every line, without its "\n"."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    for number, line in enumerate(content.removesuffix(b"\n").split(b"\n") if content else (), start=1):
        try:
            yield number, line.decode()
        except UnicodeDecodeError as error:
            raise InputError(f"{path}, line {number}: byte {error.start + 1} is not UTF-8") from None


def check_text(value: object, name: str, where: str) -> str:
    """Return the value if it is a text that UTF-8 can express."""
    if not isinstance(value, str):
        raise InputError(f"{where}: {name!r} must be a text, not {type(value).__name__}")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{where}: character {error.start + 1} of {name!r} is a lone surrogate") from None
    return value

"""Table: rows of any kind to one document, a row a section.

The text of a row is its text field, and the other fields are metadata. A table without such a field is read
as lines of ``name: value``.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from quiver.errors import UnreadableFile
from quiver.search.ingest.decode import normalized
from quiver.search.ingest.document import Document, Row, Section, one_line
from quiver.search.passages import Scalar

TEXT_FIELDS = ("text", "content", "passage", "document", "query")
"""As for ``quiver embed``."""
TITLE_FIELD = "title"
LARGEST_WHOLE = 2**63


@dataclass(frozen=True, slots=True)
class Record:
    """A row as it was read."""

    fields: Mapping[str, object]
    first_line: int | None = None
    last_line: int | None = None


def read_table(records: Iterable[Record], file_title: str) -> Document:
    """One section for each row; rows without a title have none, whatever the file is called."""
    table = _Table()
    for record in records:
        table.add(record)
    return table.document(file_title)


@dataclass(slots=True)
class _Table:
    texts: list[str] = field(default_factory=list)
    sections: list[Section] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    size: int = 0

    def add(self, record: Record) -> None:
        named = text_field(list(record.fields))
        value = record.fields.get(named) if named else None
        if named and value is not None and not isinstance(value, str):
            raise UnreadableFile(f"{_where(record, len(self.rows))}: the field {named!r} is no string")
        text = normalized(value) if isinstance(value, str) else "" if named else _lines(record.fields)
        title = record.fields.get(TITLE_FIELD)
        hidden = {named, TITLE_FIELD} if isinstance(title, str) else {named}
        others = {name: scalar(each) for name, each in record.fields.items() if name not in hidden}
        self.sections.append(Section(self.size))
        self.texts.append(text)
        self.size += len(text) + 1
        self.rows.append(
            Row(
                title=one_line(title) if isinstance(title, str) else "",
                first_line=record.first_line,
                last_line=record.last_line,
                metadata=others,
            )
        )

    def document(self, file_title: str) -> Document:
        if not self.rows:
            return Document(text="", title=file_title)
        return Document(
            text="\n".join(self.texts),
            title=file_title,
            sections=self.sections,
            rows=self.rows,
            has_lines=False,
        )


def text_field(names: Sequence[str]) -> str | None:
    """The first usual name of a text field that is among the names."""
    return next((usual for usual in TEXT_FIELDS if usual in names), None)


def scalar(value: object) -> Scalar:
    """A value that every store takes; what is neither text nor number becomes JSON or text."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return normalized(value)
    if isinstance(value, int):
        return value if -LARGEST_WHOLE <= value < LARGEST_WHOLE else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, list | dict):
        return normalized(json.dumps(value, ensure_ascii=False, default=str))
    return normalized(str(value))


def _lines(fields: Mapping[str, object]) -> str:
    return "\n".join(f"{name}: {scalar(value)}" for name, value in fields.items() if value not in (None, ""))


def _where(record: Record, rows_before: int) -> str:
    return f"row {rows_before + 1}" if record.first_line is None else f"line {record.first_line}"

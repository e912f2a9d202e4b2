"""Rows: training data as JSONL or Parquet, checked before the first step.

A row is ``{"query", "positive(s)", "negative(s)", "instruction", "task"}``. The names of
sentence-transformers (``anchor``, ``positive``, ``negative_1`` ...), FlagEmbedding (``pos``, ``neg``,
``prompt``) and ms-swift (``messages``, ``positive_messages``, ``negative_messages``; ``response``,
``rejected_response``) are read too. Fields of other names are kept and mean nothing to training.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from quiver.errors import InputError
from quiver.whole_file import write_whole

QUERY_NAMES = ("query", "anchor", "question", "sentence1")
POSITIVE_NAMES = ("positives", "positive", "pos", "response", "answer", "document", "sentence2")
NEGATIVE_NAMES = ("negatives", "negative", "neg", "rejected_response")
NUMBERED_NEGATIVE = re.compile(r"negative_\d+")
INSTRUCTION_NAMES = ("instruction", "prompt")
MESSAGE_NAMES = ("messages", "positive_messages", "negative_messages")
KNOWN_NAMES = frozenset(
    {*QUERY_NAMES, *POSITIVE_NAMES, *NEGATIVE_NAMES, *INSTRUCTION_NAMES, *MESSAGE_NAMES, "task"}
)

MOST_FAULTS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class TrainingRow:
    """One query with documents that answer it and documents that do not."""

    query: str
    positives: tuple[str, ...]
    negatives: tuple[str, ...] = ()
    instruction: str | None = None
    """What stands before the query; None takes the model's own prompt."""
    task: str | None = None
    """Name of the task or source, by which reports are grouped."""
    other: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """Fields of other names."""

    def record(self) -> dict[str, Any]:
        """The row as the JSON object that ``parse_row`` reads; absent fields are left out."""
        fields = {"instruction": self.instruction, "task": self.task, "negatives": list(self.negatives)}
        present = {name: value for name, value in fields.items() if value}
        return {"query": self.query, "positives": list(self.positives), **present, **self.other}


def read_rows(paths: Sequence[str | Path]) -> list[TrainingRow]:
    """All rows of JSONL and Parquet files, in order.

    Raises InputError that lists the bad rows, each with its file, line and reason.
    """
    rows, faults = [], []
    for path in map(Path, paths):
        for where, raw in _raw_rows(path):
            try:
                rows.append(parse_row(json.loads(raw) if isinstance(raw, str) else raw))
            except (ValueError, RecursionError) as error:
                faults.append(f"{where}: {error}")
    if faults:
        more = [f"... and {len(faults) - MOST_FAULTS_SHOWN} more"] if len(faults) > MOST_FAULTS_SHOWN else []
        shown = "\n  ".join([*faults[:MOST_FAULTS_SHOWN], *more])
        raise InputError(f"{len(faults)} of {len(faults) + len(rows)} rows cannot be used:\n  {shown}")
    if not rows:
        raise InputError(f"no rows in {', '.join(map(str, paths)) or 'no file'}")
    return rows


def write_rows(path: str | Path, rows: Iterable[TrainingRow]) -> None:
    """Write rows as JSONL; the file appears under its name only when it is complete."""
    write_whole(Path(path), (json.dumps(row.record(), ensure_ascii=False) + "\n" for row in rows))


def parse_row(raw: object) -> TrainingRow:
    """A row from its fields; raises ValueError with the reason."""
    if not isinstance(raw, Mapping):
        raise ValueError("not an object with fields")
    other = _other(raw)
    if "messages" in raw:
        raw = _from_messages(raw)
    query = _first(raw, QUERY_NAMES)
    if not isinstance(query, str) or not query.strip():
        raise ValueError(f"no query: give a text in one of {', '.join(QUERY_NAMES)}")
    positives = _texts(_first(raw, POSITIVE_NAMES), "positive")
    if not positives:
        raise ValueError(f"no positive: give a text or texts in one of {', '.join(POSITIVE_NAMES)}")
    numbered = [raw[name] for name in sorted(filter(NUMBERED_NEGATIVE.fullmatch, raw))]
    negatives = (*_texts(_first(raw, NEGATIVE_NAMES), "negative"), *_texts(numbered, "negative"))
    if set(positives) & set(negatives):
        raise ValueError("a document is both a positive and a negative")
    instruction, task = _optional(raw, INSTRUCTION_NAMES), _optional(raw, ("task",))
    for text in (query, *positives, *negatives, instruction or "", task or ""):
        _check_characters(text)
    return TrainingRow(query, positives, negatives, instruction, task, other)


def _raw_rows(path: Path) -> Iterator[tuple[str, object]]:
    """Where each row stands, and its line or its fields."""
    try:
        if path.suffix == ".parquet":
            yield from _parquet_rows(path)
        else:
            with path.open("rb") as lines:
                for number, line in enumerate(lines, 1):
                    if line.strip():
                        yield f"{path}, line {number}", line.decode("utf-8", "surrogateescape")
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error


def _parquet_rows(path: Path) -> Iterator[tuple[str, object]]:
    try:
        import pyarrow as arrow
        from pyarrow import parquet
    except ModuleNotFoundError as error:
        raise InputError("Parquet needs pyarrow: pip install 'quiver-embed[train]'") from error
    try:
        number = 0
        for batch in parquet.ParquetFile(path).iter_batches():
            for row in batch.to_pylist():
                number += 1
                yield f"{path}, row {number}", row
    except arrow.ArrowInvalid as error:
        raise InputError(f"{path} is no readable Parquet file: {error}") from error


def _first(raw: Mapping[str, Any], names: Sequence[str]) -> object:
    """The value of the first of the names that holds one."""
    return next((raw[name] for name in names if raw.get(name) is not None), None)


def _other(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of names that mean nothing here, as JSON has them (Parquet knows dates and more)."""
    other = {
        name: value
        for name, value in raw.items()
        if name not in KNOWN_NAMES and not NUMBERED_NEGATIVE.fullmatch(name)
    }
    if not other:
        return {}
    text = json.dumps(other, ensure_ascii=False, default=str)
    _check_characters(text)
    fields: dict[str, Any] = json.loads(text)
    return fields


def _texts(value: object, what: str) -> tuple[str, ...]:
    values = [] if value is None else [value] if isinstance(value, str) else value
    if not isinstance(values, Sequence) or not all(isinstance(text, str) for text in values):
        raise ValueError(f"{what}s must be a text or a list of texts")
    if not all(text.strip() for text in values):
        raise ValueError(f"a {what} is empty")
    return tuple(values)


def _optional(raw: Mapping[str, Any], names: Sequence[str]) -> str | None:
    value = _first(raw, names)
    if value is not None and not isinstance(value, str):
        raise ValueError(f"{names[0]} must be a text")
    return value if value and value.strip() else None


def _from_messages(raw: Mapping[str, Any]) -> dict[str, Any]:
    """ms-swift's form: the last message of each list is the text; a system message is the instruction."""
    messages = _messages(raw["messages"])
    system = [content for role, content in messages if role == "system"]
    return {
        "query": messages[-1][1],
        "positives": [_messages(m)[-1][1] for m in raw.get("positive_messages") or []],
        "negatives": [_messages(m)[-1][1] for m in raw.get("negative_messages") or []],
        "instruction": system[0] if system else _first(raw, INSTRUCTION_NAMES),
        "task": raw.get("task"),
    }


def _messages(value: object) -> list[tuple[str, str]]:
    try:
        found = [(message["role"], message["content"]) for message in value]  # type: ignore[attr-defined]
    except (TypeError, KeyError) as error:
        raise ValueError("messages must be a list of objects with role and content") from error
    if not found or not all(isinstance(text, str) for message in found for text in message):
        raise ValueError("messages must be a list of objects with role and content")
    return found


def _check_characters(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError("a text is not valid Unicode (UTF-8)") from error

"""Writing: which format results go out in, and how a line of JSON looks."""

import json
import os
import re
import sys
from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

import typer

from quiver.cli.target import Target

NOT_IN_JSONL = re.compile("[\x7f-\x9f\u2028\u2029]")
"""Legal in JSON, but they steer terminals, or end lines for readers that split on more than a newline."""


class OutputFormat(StrEnum):
    """Formats that results go out in."""

    TABLE = "table"
    JSONL = "jsonl"
    NPY = "npy"
    PARQUET = "parquet"


SUFFIXES = {
    ".jsonl": OutputFormat.JSONL,
    ".ndjson": OutputFormat.JSONL,
    ".npy": OutputFormat.NPY,
    ".parquet": OutputFormat.PARQUET,
}


def choose_format(
    asked: OutputFormat | None, output: Path | None, possible: Collection[OutputFormat]
) -> OutputFormat:
    """The format asked for, else the one that the file's suffix or the terminal suggests.

    Raises typer.BadParameter if the output cannot take it.
    """
    on_terminal = output is None and sys.stdout is not None and sys.stdout.isatty()
    if asked is not None:
        chosen = asked
    elif output is None:
        chosen = OutputFormat.TABLE if on_terminal else OutputFormat.JSONL
    else:
        chosen = _format_of(output)
    if chosen not in possible:
        raise typer.BadParameter(f"this command does not write {chosen} but {', '.join(possible)}")
    if chosen is OutputFormat.TABLE and output is not None:
        raise typer.BadParameter("a table is for the terminal; leave out --output or choose another --format")
    if on_terminal and chosen in (OutputFormat.NPY, OutputFormat.PARQUET):
        raise typer.BadParameter(f"{chosen} is binary and not for a terminal; give a file with --output")
    return chosen


def _format_of(output: Path) -> OutputFormat:
    if os.path.exists(output) and not os.path.isfile(output):
        return OutputFormat.JSONL  # a device or a pipe has no telling suffix
    found = SUFFIXES.get(output.suffix.lower())
    if found is None:
        raise typer.BadParameter(
            f"{output}: its name does not say what to write; let it end in {', '.join(SUFFIXES)}, "
            "or say what to write with --format"
        )
    return found


def json_line(record: Mapping[str, Any]) -> str:
    """A record on one line, readable in every script and harmless on a terminal."""
    text = json.dumps(record, ensure_ascii=False)
    return NOT_IN_JSONL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def write_records(target: Target, records: Iterable[Mapping[str, Any]]) -> None:
    """Records as JSONL."""
    for record in records:
        target.write(f"{json_line(record)}\n".encode())


def exact(value: float) -> float:
    """A float32 with no more digits than give it back exactly."""
    return float(f"{value:.9g}")

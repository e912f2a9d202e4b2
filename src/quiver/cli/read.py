"""Reading: texts from arguments, files and standard input, one after the other and never all at once.

Every text counts: a blank line of a .txt file is a text, so that lines and results correspond. Whatever
cannot be read as it stands is an InputError that names the file, the line and the reason.
"""

import io
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from quiver.errors import InputError
from quiver.rows import parse
from quiver.rows.parse import Say, check_characters

STDIN_NAME = "standard input"


class InputFormat(StrEnum):
    """Formats that texts come in."""

    TXT = "txt"
    JSONL = "jsonl"
    CSV = "csv"
    TSV = "tsv"
    PARQUET = "parquet"


SUFFIXES = {
    ".txt": InputFormat.TXT,
    ".text": InputFormat.TXT,
    ".jsonl": InputFormat.JSONL,
    ".ndjson": InputFormat.JSONL,
    ".csv": InputFormat.CSV,
    ".tsv": InputFormat.TSV,
    ".parquet": InputFormat.PARQUET,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class InputChoice:
    """What the command line says about its input."""

    arguments: Sequence[str] = ()
    files: Sequence[Path] = ()
    """Read after the arguments; ``-`` is standard input."""
    field: str | None = None
    """JSON field or column; None takes the first of parse.DEFAULT_FIELDS that is there."""
    format: InputFormat | None = None
    """None goes by the file's suffix; standard input is txt."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file or standard input (``path`` None), and how to read it."""

    path: Path | None
    format: InputFormat

    @property
    def name(self) -> str:
        """What messages call it."""
        return STDIN_NAME if self.path is None else str(self.path)


def open_texts(choice: InputChoice, say: Say) -> Iterator[str]:
    """All texts, in order; looks at every file's name and at the first text before it returns.

    Raises InputError at once, or later while the texts are drawn.
    """
    sources = list(_sources(choice))
    if [source.path for source in sources].count(None) > 1:
        raise InputError("standard input is named twice; it can be read only once")
    if choice.field is not None and all(source.format is InputFormat.TXT for source in sources):
        raise InputError("--field is for jsonl, csv, tsv and parquet; plain text has no fields")
    arguments = (
        check_characters(text, f"argument {number}") for number, text in enumerate(_given(choice), start=1)
    )
    files = chain.from_iterable(_read(source, choice.field, say) for source in sources)
    texts = chain(arguments, files)
    first = next(texts, None)
    if first is None:
        raise InputError("no texts: give them as arguments, in files (--input) or on standard input")
    return chain([first], texts)


def is_stdin_given() -> bool:
    """Whether a pipe or a file stands on standard input, not a keyboard."""
    return sys.stdin is not None and not sys.stdin.closed and not sys.stdin.isatty()


def _given(choice: InputChoice) -> list[str]:
    return [text for text in choice.arguments if text != "-"]


def _sources(choice: InputChoice) -> Iterator[Source]:
    if "-" in choice.arguments or (not choice.arguments and not choice.files and is_stdin_given()):
        yield Source(None, choice.format or InputFormat.TXT)
    for path in choice.files:
        if str(path) == "-":
            yield Source(None, choice.format or InputFormat.TXT)
        else:
            _check_file(path)
            yield Source(path, choice.format or _format_of(path))


def _check_file(path: Path) -> None:
    if os.path.isdir(path):  # unlike Path.is_dir, false for a name that is too long
        raise InputError(f"{path} is a folder; name a file in it")
    if not os.path.exists(path):
        raise InputError(f"{path} does not exist")


def _format_of(path: Path) -> InputFormat:
    found = SUFFIXES.get(path.suffix.lower())
    if found is None:
        raise InputError(
            f"{path}: its name does not say what it holds; it may end in {', '.join(SUFFIXES)}, "
            "or say what it is with --input-format"
        )
    return found


def _read(source: Source, field: str | None, say: Say) -> Iterator[str]:
    with _opened(source) as stream:
        match source.format:
            case InputFormat.TXT:
                texts = parse.lines(stream, source.name)
            case InputFormat.JSONL:
                texts = parse.jsonl(stream, source.name, field, say)
            case InputFormat.CSV:
                texts = parse.table(stream, source.name, field, say, delimiter=",")
            case InputFormat.TSV:
                texts = parse.table(stream, source.name, field, say, delimiter="\t")
            case InputFormat.PARQUET:
                from quiver.rows.parquet import read_column

                texts = read_column(stream, source.name, field, say)
        empty = True
        for text in texts:
            empty = False
            yield text
        if empty:
            raise InputError(f"{source.name} holds no texts")


@contextmanager
def _opened(source: Source) -> Iterator[BinaryIO]:
    try:
        if source.path is not None:
            with source.path.open("rb") as stream:
                yield stream
        elif source.format is InputFormat.PARQUET:
            yield io.BytesIO(_stdin().read())  # Parquet is read from its end
        else:
            yield _stdin()
    except OSError as error:
        raise InputError(f"{source.name} cannot be read: {error.strerror or error}") from error


def _stdin() -> BinaryIO:
    if sys.stdin is None:
        raise InputError("standard input is closed")
    return sys.stdin.buffer

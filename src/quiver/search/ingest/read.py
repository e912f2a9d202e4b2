"""Read: a file to passages."""

import gzip
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import BinaryIO

from quiver.errors import UnreadableFile
from quiver.search.corpus import CountTokens
from quiver.search.ingest.assemble import passages_of
from quiver.search.ingest.cut import cut
from quiver.search.ingest.decode import decode
from quiver.search.ingest.document import Document
from quiver.search.ingest.find import OPEN_FLAGS, reason_of
from quiver.search.ingest.formats import Format, Kind, check_size, format_of, largest
from quiver.search.passages import Passage, SourceFile


def read_passages(file: SourceFile, count_tokens: CountTokens, max_tokens: int) -> list[Passage]:
    """The file's passages, none with more than ``max_tokens`` of its text; raises UnreadableFile.

    ``count_tokens`` must never give more for an ASCII text than it has characters, as no tokenizer does.
    """
    document = read_document(file)
    _check_characters(document.text)
    return passages_of(document, file.path, cut(document, count_tokens, max_tokens))


def read_document(file: SourceFile) -> Document:
    """The file's text and structure."""
    form = format_of(file.path) or Format(Kind.TEXT)
    title = _title(file.path, form)
    if form.kind is Kind.PARQUET:
        return _read_parquet(file, title)
    data = _content(file, form)
    match form.kind:
        case Kind.PDF:
            from quiver.search.ingest.readers.pdf import read_pdf

            return read_pdf(data, title)
        case Kind.DOCX:
            from quiver.search.ingest.readers.docx import read_docx

            return read_docx(data, title)
        case _:
            declares = form.kind in (Kind.HTML, Kind.CODE, Kind.RST)
            return _read_text(decode(data, declares=declares), title, form)


def _read_text(text: str, title: str, form: Format) -> Document:
    """A file that is text; each reader's library is loaded when the first such file comes."""
    match form.kind:
        case Kind.MARKDOWN:
            from quiver.search.ingest.readers.markdown import read_markdown

            return read_markdown(text, title)
        case Kind.HTML:
            from quiver.search.ingest.readers.html import read_html

            return read_html(text, title)
        case Kind.CODE:
            from quiver.search.ingest.readers.code import read_code

            return read_code(text, title, form.suffix)
        case Kind.RST:
            from quiver.search.ingest.readers.rst import read_rst

            return read_rst(text, title)
        case Kind.MAN:
            from quiver.search.ingest.readers.man import read_man

            return read_man(text, title)
        case Kind.CSV | Kind.TSV | Kind.JSONL:
            return _read_rows(text, title, form.kind)
        case _:
            from quiver.search.ingest.readers.plain import read_plain

            return read_plain(text, title)


def _read_rows(text: str, title: str, kind: Kind) -> Document:
    from quiver.search.ingest.readers.rows import csv_rows, jsonl_rows
    from quiver.search.ingest.readers.table import read_table

    if kind is Kind.JSONL:
        return read_table(jsonl_rows(text), title)
    return read_table(csv_rows(text, "," if kind is Kind.CSV else "\t"), title)


def _read_parquet(file: SourceFile, title: str) -> Document:
    from quiver.search.ingest.readers.parquet import parquet_rows
    from quiver.search.ingest.readers.table import read_table

    with _unchanged(file):
        return read_table(parquet_rows(Path(file.location)), title)


def _content(file: SourceFile, form: Format) -> bytes:
    with _unchanged(file) as stream:
        if not form.is_compressed:
            return stream.read(largest(form) + 1)
        try:
            with gzip.open(stream) as unpacked:
                data = unpacked.read(largest(form) + 1)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise UnreadableFile(f"it is no whole gzip file: {error}") from None
        check_size(file.path, len(data))
        return data


@contextmanager
def _unchanged(file: SourceFile) -> Iterator[BinaryIO]:
    """The open file, which must stay what it was when its digest was taken."""
    try:
        with open(os.open(file.location, OPEN_FLAGS), "rb") as stream:
            yield stream
            state = os.fstat(stream.fileno())
    except OSError as error:
        raise UnreadableFile(reason_of(error)) from None
    if (state.st_size, state.st_mtime_ns) != (file.size, file.modified_ns):
        raise UnreadableFile("it changed since it was found; it is for the next run")


def _title(path: str, form: Format) -> str:
    """What a document without a title is called: the file's name, without its ending if it is prose."""
    name = PurePath(path)
    return name.name if form.kind in (Kind.CODE, Kind.TEXT) and form.suffix != ".txt" else name.stem


def _check_characters(text: str) -> None:
    """Raise UnreadableFile if a reader's library gave what is no Unicode."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        code = ord(text[error.start])
        raise UnreadableFile(f"character {error.start + 1} of its text is half of one: U+{code:X}") from None

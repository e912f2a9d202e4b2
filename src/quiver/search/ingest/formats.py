"""Formats: which reader takes a file, by its name, and how large the file may be."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePath

from quiver.errors import UnreadableFile
from quiver.search.ingest.languages import LANGUAGES

MEGABYTE = 1_000_000
LARGEST_DOCUMENT = 50 * MEGABYTE
LARGEST_TABLE = 250 * MEGABYTE


class Kind(StrEnum):
    """What a file holds."""

    TEXT = "text"
    MARKDOWN = "markdown"
    RST = "reStructuredText"
    MAN = "man page"
    HTML = "HTML"
    PDF = "PDF"
    DOCX = "DOCX"
    CODE = "code"
    CSV = "CSV"
    TSV = "TSV"
    JSONL = "JSONL"
    PARQUET = "Parquet"


TABLES = frozenset({Kind.CSV, Kind.TSV, Kind.JSONL, Kind.PARQUET})
SUFFIXES = {
    **dict.fromkeys(
        (".txt", ".text", ".log", ".adoc", ".asciidoc", ".org", ".tex", ".srt", ".vtt"), Kind.TEXT
    ),
    **dict.fromkeys((".md", ".markdown", ".mdown", ".mkd", ".mdx", ".qmd", ".rmd"), Kind.MARKDOWN),
    **dict.fromkeys((".rst", ".rest"), Kind.RST),
    **dict.fromkeys((".html", ".htm", ".xhtml"), Kind.HTML),
    **dict.fromkeys((".csv",), Kind.CSV),
    **dict.fromkeys((".tsv", ".tab"), Kind.TSV),
    **dict.fromkeys((".jsonl", ".ndjson"), Kind.JSONL),
    **dict.fromkeys((".parquet",), Kind.PARQUET),
    **dict.fromkeys((".man", ".mdoc", *(f".{section}" for section in range(1, 10))), Kind.MAN),
    **dict.fromkeys((".docx",), Kind.DOCX),
    **dict.fromkeys((".pdf",), Kind.PDF),
    **dict.fromkeys(LANGUAGES, Kind.CODE),
}
COMPRESSED = ".gz"


@dataclass(frozen=True, slots=True)
class Format:
    """How a file is read."""

    kind: Kind
    suffix: str = ""
    """The one that decided, in lower case."""
    is_compressed: bool = False
    """Whether it is the gzip of a file of this kind."""


def format_of(path: str) -> Format | None:
    """The format that a name promises; None if it promises none that is read."""
    name = PurePath(path.lower())
    compressed = name.suffix == COMPRESSED
    suffix = PurePath(name.stem).suffix if compressed else name.suffix
    kind = SUFFIXES.get(suffix, Kind.TEXT if not suffix else None)
    if kind is None or (compressed and kind in (Kind.PDF, Kind.DOCX, Kind.PARQUET)):
        return None
    return Format(kind, suffix, compressed)


def known_format(path: str) -> Format:
    """The format that a name promises; raises UnreadableFile if there is no reader for it."""
    found = format_of(path)
    if found is None:
        raise UnreadableFile(f"no reader for {PurePath(path).suffix} files")
    return found


def largest(form: Format) -> int:
    """The most bytes that a file may have, before and after decompression."""
    return LARGEST_TABLE if form.kind in TABLES else LARGEST_DOCUMENT


def check_size(path: str, size: int) -> None:
    """Raise UnreadableFile if a file is too large for its kind."""
    form = format_of(path) or Format(Kind.TEXT)
    if size > largest(form):
        raise UnreadableFile(
            f"{size / MEGABYTE:,.0f} MB are too much for one file ({form.kind}: at most "
            f"{largest(form) / MEGABYTE:,.0f} MB); split it"
        )

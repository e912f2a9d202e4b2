"""DOCX: paragraphs and tables of the body in order; heading styles make headings.

A DOCX file is a ZIP archive. What its members would unpack to is checked before any is read, and zipfile
never unpacks more than a member declares.
"""

import io
import re
import zipfile
import zlib
from collections.abc import Iterator

import docx
from docx.document import Document as DocxDocument
from docx.opc.exceptions import OpcError
from docx.table import Table
from docx.text.paragraph import Paragraph
from lxml.etree import LxmlError

from quiver.errors import UnreadableFile
from quiver.search.ingest.decode import normalized
from quiver.search.ingest.document import Document, Outline, one_line

LARGEST_UNPACKED = 300_000_000
LARGEST_XML = 100_000_000
MOST_MEMBERS = 10_000
HIGHEST_RATIO = 200
"""XML seldom shrinks to less than a fiftieth."""
FREE_OF_RATIO = 1_000_000
"""Members below this many bytes may be as repetitive as they like."""
OLE_MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
HEADING_STYLE = re.compile(r"heading\s*(\d)", re.I)
BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    OpcError,
    LxmlError,
    LookupError,
    ValueError,
    AttributeError,
    NotImplementedError,
    EOFError,
    RuntimeError,
)
"""What zipfile, lxml and python-docx raise for archives that are not as they should be."""


def read_docx(data: bytes, title: str) -> Document:
    """The text of the body: headers, footnotes and text boxes are left out."""
    if data.startswith(OLE_MAGIC):
        raise UnreadableFile("it is encrypted, or an old .doc under a new name; save it as DOCX")
    try:
        _check_archive(data)
        return _document(docx.Document(io.BytesIO(data)), title)
    except BROKEN as error:
        raise UnreadableFile(f"it is no DOCX, or a broken one: {one_line(str(error))}") from None


def _check_archive(data: bytes) -> None:
    """Raise UnreadableFile for an archive that would unpack to more than a text can need."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = archive.infolist()
    if len(members) > MOST_MEMBERS:
        raise UnreadableFile(f"it has {len(members):,} members: a ZIP bomb")
    for member in members:
        bomb = member.file_size > max(FREE_OF_RATIO, HIGHEST_RATIO * member.compress_size)
        if bomb or (member.filename.endswith((".xml", ".rels")) and member.file_size > LARGEST_XML):
            size = member.file_size // 1_000_000
            raise UnreadableFile(f"{one_line(member.filename)} would unpack to {size:,} MB: a ZIP bomb")
    if sum(member.file_size for member in members) > LARGEST_UNPACKED:
        raise UnreadableFile(f"it would unpack to more than {LARGEST_UNPACKED // 1_000_000} MB")


def _document(source: DocxDocument, title: str) -> Document:
    styles = {style.style_id: style.name or "" for style in source.styles}
    outline, breaks, texts, at = Outline(), [], [], 0
    for text, style_id in _blocks(source):
        style = styles.get(style_id or "", "")
        heading = HEADING_STYLE.fullmatch(style)
        if text.strip() and (heading or style == "Title"):
            outline.heading(at, int(heading[1]) if heading else 0, text)
        breaks.append(at)
        texts.append(text)
        at += len(text) + 1
    named = one_line(normalized(source.core_properties.title))
    return Document(
        text="\n".join(texts),
        title=named or outline.first_heading() or title,
        sections=outline.sections,
        breaks=breaks,
        has_lines=False,
    )


def _blocks(source: DocxDocument) -> Iterator[tuple[str, str | None]]:
    """The text and the style of each paragraph and of each row of a table."""
    for block in source.iter_inner_content():
        if isinstance(block, Paragraph):
            yield normalized(block.text), block._p.style
        else:
            yield from ((row, None) for row in _rows(block))


def _rows(table: Table) -> Iterator[str]:
    for row in table.rows:
        merged = {cell._tc: cell for cell in row.cells}
        yield " | ".join(_on_one_line(normalized(cell.text)) for cell in merged.values())


def _on_one_line(text: str) -> str:
    """A cell's text on one line, nothing left out."""
    return " ".join(text.split())

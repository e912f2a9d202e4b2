"""PDF: the text of each page; bookmarks make headings. Pictures of text are not read."""

import re
from collections import defaultdict

import pypdfium2 as pdfium
from pypdfium2 import raw

from quiver.errors import UnreadableFile
from quiver.search.ingest.decode import normalized
from quiver.search.ingest.document import Document, Outline, one_line

MOST_CHARACTERS = 50_000_000
DEEPEST_BOOKMARK = 8
HYPHEN_AT_LINE_END = re.compile("[\ufffe\x02]\n?")

Bookmarks = dict[int, list[tuple[int, str]]]
"""Level and title of those of each page."""


def read_pdf(data: bytes, title: str) -> Document:
    """The text of all pages, one after the other."""
    try:
        with pdfium.PdfDocument(data) as pdf:
            return _document(pdf, title)
    except pdfium.PdfiumError as error:
        if getattr(error, "err_code", None) == raw.FPDF_ERR_PASSWORD:
            raise UnreadableFile("it is encrypted and asks for a password") from None
        raise UnreadableFile(f"it is no PDF, or a broken one: {one_line(str(error))}") from None


def _document(pdf: pdfium.PdfDocument, title: str) -> Document:
    bookmarks = _bookmarks(pdf)
    outline, starts, texts, size = Outline(), [], [], 0
    for number in range(len(pdf)):
        text = _page_text(pdf, number)
        for at, level, heading in _placed(bookmarks.get(number, []), text):
            outline.heading(size + at, level, heading)
        starts.append(size)
        texts.append(text)
        size += len(text)
        if size > MOST_CHARACTERS:
            raise UnreadableFile(f"it has more than {MOST_CHARACTERS:,} characters of text")
    if size and not "".join(texts).strip():
        raise UnreadableFile(f"no text on its {len(texts)} pages; if they are scanned, run OCR over it first")
    named = one_line(normalized(pdf.get_metadata_value("Title")))
    return Document(
        text="".join(texts),
        title=named or title,
        sections=outline.sections,
        breaks=starts,
        pages=starts,
        has_lines=False,
    )


def _page_text(pdf: pdfium.PdfDocument, number: int) -> str:
    """The page's text and a blank line; a page that is broken has none."""
    try:
        page = pdf[number]
        text_page = page.get_textpage()
        text = normalized(text_page.get_text_bounded())
        text_page.close()
        page.close()
    except pdfium.PdfiumError:
        return "\n\n"
    return HYPHEN_AT_LINE_END.sub("", text) + "\n\n"


def _bookmarks(pdf: pdfium.PdfDocument) -> Bookmarks:
    found: Bookmarks = defaultdict(list)
    for bookmark in pdf.get_toc(max_depth=DEEPEST_BOOKMARK):
        target = bookmark.get_dest()
        page = target.get_index() if target else None
        heading = one_line(normalized(bookmark.get_title()))
        if page is not None and heading:
            found[page].append((bookmark.level, heading))
    return found


def _placed(bookmarks: list[tuple[int, str]], text: str) -> list[tuple[int, int, str]]:
    """Where on its page each bookmark's heading stands: its own words if they are there, else the top."""
    placed, reached = [], 0
    for level, heading in bookmarks:
        words = r"\s+".join(map(re.escape, heading.split()))
        match = re.compile(words, re.I).search(text, reached)
        reached = (
            text.rfind("\n", reached, match.start()) + 1 if match and match.start() > reached else reached
        )
        placed.append((max(reached, 0), level, heading))
    return placed

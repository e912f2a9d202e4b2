"""Assemble: passages from a document and the spans it was cut into."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from quiver.search.ingest.cut import Span
from quiver.search.ingest.document import Document, Row, trail_of
from quiver.search.passages import Passage


def passages_of(document: Document, path: str, spans: Sequence[Span]) -> list[Passage]:
    """Each span with what is known of its place."""
    lines = _Lines(document.text)
    starts = [section.start for section in document.sections]
    passages = []
    for start, end in spans:
        section = bisect_right(starts, start) - 1
        trails = [each.headings for each in document.sections[section : bisect_left(starts, end)]]
        row = document.rows[section] if document.rows else None
        first, last = _line_range(document, row, lines, start, end)
        passages.append(
            Passage(
                text=document.text[start:end],
                path=path,
                title=row.title if row else document.title,
                headings=trail_of(trails),
                first_line=first,
                last_line=last,
                page=bisect_right(document.pages, start) or None,
                start=start,
                metadata={**document.metadata, **row.metadata} if row else document.metadata,
            )
        )
    return passages


def _line_range(
    document: Document, row: Row | None, lines: "_Lines", start: int, end: int
) -> tuple[int | None, int | None]:
    if row:
        return row.first_line, row.last_line
    return (lines.number(start), lines.number(end - 1)) if document.has_lines else (None, None)


class _Lines:
    """Line numbers of positions that are asked for in order."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at, self._number = 0, 1

    def number(self, position: int) -> int:
        self._number += self._text.count("\n", self._at, position)
        self._at = max(self._at, position)
        return self._number

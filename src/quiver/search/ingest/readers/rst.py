"""reStructuredText: headings are lines with a line of punctuation below, and perhaps above."""

import re

from quiver.search.ingest.document import LONGEST_HEADING, Document, Outline

ADORNED = re.compile(
    r"^(?:(?P<over>([!-/:-@\[-`{-~])\2{2,})[ \t]*\n[ \t]*)?(?P<title>\S[^\n]*)\n"
    r"(?P<under>([!-/:-@\[-`{-~])\5{2,})[ \t]*$",
    re.M,
)
ROLE = re.compile(r":[\w.+:-]+:`([^`<]*?)(?:\s*<[^>]*>)?`|[`*]+")


def read_rst(text: str, title: str) -> Document:
    """The text as it is written; kinds of underlines are levels in the order in which they come."""
    outline = Outline()
    kinds: list[str] = []
    for match in ADORNED.finditer(text):
        name, over, under = match["title"], match["over"] or "", match["under"]
        if len(under) < len(name.rstrip()) or (over and over[0] != under[0]) or _inside(text, match):
            continue
        kind = over[:1] + under[0]
        if kind not in kinds:
            kinds.append(kind)
        outline.heading(match.start(), kinds.index(kind), ROLE.sub(r"\1", name[:LONGEST_HEADING]))
    return Document(text=text, title=outline.first_heading() or title, sections=outline.sections)


def _inside(text: str, match: re.Match[str]) -> bool:
    """Whether the line before has text, so that this is a paragraph or a table and no heading."""
    end = max(match.start() - 1, 0)
    before = text[text.rfind("\n", 0, end) + 1 : end]
    return bool(before.strip()) and not before.startswith("..")

"""Markdown: headings make sections; paragraphs, list items, tables and code blocks stay whole."""

import re
from functools import cache
from itertools import zip_longest

from markdown_it import MarkdownIt

from quiver.search.ingest.document import LONGEST_HEADING, Document, Outline, line_starts, one_line

FRONT_MATTER = re.compile(r"\A---\n(.*?\n)?(?:---|\.\.\.)(?:\n|\Z)", re.S)
FRONT_TITLE = re.compile(r"^title:[ \t]*(.+)$", re.M)
LINK = re.compile(r"!?\[([^\]]*)\](?:\([^)]*\)|\[[^\]]*\])")
HEADING_MARKS = re.compile(r"[*`]+|\s*\{#[^}]*\}\s*$")
BLOCKS = frozenset({"list_item_open"})


def read_markdown(text: str, title: str) -> Document:
    """The text as it is written, its title from the front matter or the first heading."""
    front = FRONT_MATTER.match(text)
    begin = front.end() if front else 0
    skipped = text.count("\n", 0, begin)
    starts = line_starts(text)
    outline, breaks = Outline(), set()
    tokens = _parser().parse(text[begin:])
    for token, after in zip_longest(tokens, tokens[1:]):
        if token.map is None or not (token.level == 0 or token.type in BLOCKS):
            continue
        start = starts[skipped + token.map[0]]
        breaks.add(start)
        if token.type == "heading_open" and after is not None:
            outline.heading(start, int(token.tag[1]), _plain(after.content[: 2 * LONGEST_HEADING]))
    return Document(
        text=text,
        title=_front_title(front) or outline.first_heading() or title,
        sections=outline.sections,
        breaks=sorted(breaks),
    )


@cache
def _parser() -> MarkdownIt:
    """A parser of blocks; what is inside of them stays as it is written."""
    return MarkdownIt("commonmark").enable("table").disable("inline")


def _plain(heading: str) -> str:
    return HEADING_MARKS.sub("", LINK.sub(r"\1", heading)).strip()


def _front_title(front: re.Match[str] | None) -> str:
    found = FRONT_TITLE.search(front[1] or "") if front else None
    return one_line(found[1].strip().strip("\"'")) if found else ""

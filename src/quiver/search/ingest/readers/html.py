"""HTML: the text of a page's main part, without navigation; headings make sections.

The tree is walked without recursion: a page of a hundred thousand nested elements is no more than that.
"""

import re
from typing import NamedTuple

from selectolax.lexbor import LexborHTMLParser, LexborNode

from quiver.search.ingest.decode import normalized
from quiver.search.ingest.document import Document, Outline, one_line

MAIN = ("main", "[role=main]", "article")
LEAST_MAIN = 200
"""Characters; a main part with less is no more than a name for something else."""
NO_TEXT = (
    "script, style, noscript, template, iframe, svg, object, canvas, select, button, input, textarea, nav, "
    "[role=navigation], [role=search], [role=banner], [role=contentinfo], [hidden], [aria-hidden=true], "
    "body > header, body > footer, .navheader, .navfooter, .sphinxsidebar, .related, .headerlink"
)
HEADINGS = {f"h{level}": level for level in range(1, 7)}
TERM_LEVEL = 7
"""Terms of a definition list that can be linked to are headings below all others."""
BLOCKS = frozenset(
    "address article aside blockquote caption center dd details dialog div dl dt fieldset figcaption figure "
    "footer form h1 h2 h3 h4 h5 h6 header hgroup hr legend li main menu ol p pre section summary table tbody "
    "tfoot thead tr ul".split()
)
CELLS = frozenset({"td", "th"})
PARAGRAPHS = frozenset({"p", "li", "tr", "dt", "pre", "blockquote", "figure", *HEADINGS})
"""Where the text may well be cut."""
LISTS = frozenset({"ul", "ol", "table"})
MENU_LINKS, MENU_SHARE = 3, 0.9
"""From so many links on, which are so much of its text, a list above the first heading is a menu."""
BLANKS = re.compile(r"[ \t\n\r\f]+")


def read_html(text: str, title: str) -> Document:
    """The visible text of the main part; its title is the only outermost heading, or what the page says."""
    parser = LexborHTMLParser(text)
    for node in parser.css(NO_TEXT):
        node.decompose()
    root = _main_part(parser)
    if root is None:
        return Document(text="", title=title, has_lines=False)
    has_headings = root.css_first(", ".join(HEADINGS)) is not None
    return _Walk(has_headings=has_headings).through(root).document(_title(parser, root) or title)


def _title(parser: LexborHTMLParser, root: LexborNode) -> str:
    own = [one_line(_words(node)) for node in root.css("h1")]
    if len(own) == 1 and own[0]:
        return own[0]
    node = parser.css_first("head > title")
    return one_line(_words(node)) if node else ""


def _main_part(parser: LexborHTMLParser) -> LexborNode | None:
    for selector in MAIN:
        found = parser.css(selector)
        if len(found) == 1 and len(_words(found[0])) >= LEAST_MAIN:
            return found[0]
    return parser.body or parser.root


def _words(node: LexborNode) -> str:
    return normalized(node.text(deep=True)).replace("¶", "")


class _Reached(NamedTuple):
    """How far a walk has come."""

    texts: int
    size: int
    ends: str
    breaks: int
    letters: int
    linked: int
    links: int


class _Walk:
    """The text of a tree, collected in reading order.

    Menus are left out again: lists of links above the first heading. A page without headings may be
    nothing else.
    """

    def __init__(self, *, has_headings: bool) -> None:
        self._texts: list[str] = []
        self._size = 0
        self._ends = "\n"
        """How the text so far ends: with a line, a blank or neither."""
        self._outline = Outline()
        self._breaks: list[int] = []
        self._verbatim = 0
        self._above_headings = has_headings
        self._lists: list[_Reached] = []
        self._letters = self._linked = self._links = self._inside_links = 0

    def through(self, root: LexborNode) -> "_Walk":
        """Enter and leave every element below the root, the root too."""
        node, depth = root, 0
        while True:
            self._enter(node)
            after = node.child
            if after is not None:
                depth += 1
            while after is None:
                self._leave(node)
                parent = node.parent
                if depth == 0 or parent is None:
                    return self
                after = node.next
                if after is None:
                    node, depth = parent, depth - 1
            node = after

    def document(self, title: str) -> Document:
        """What was collected."""
        return Document(
            text="".join(self._texts),
            title=title,
            sections=self._outline.sections,
            breaks=self._breaks,
            has_lines=False,
        )

    def _enter(self, node: LexborNode) -> None:
        tag = node.tag
        if tag == "-text":
            self._add(node.text_content or "")
        elif tag == "a":
            self._links += 1
            self._inside_links += 1
        elif tag in BLOCKS:
            self._end_line()
            if tag in LISTS:
                self._lists.append(self._reached())
            if tag == "pre":
                self._verbatim += 1
            if tag in PARAGRAPHS:
                self._breaks.append(self._size)
            if tag in HEADINGS or (tag == "dt" and "id" in node.attributes):
                self._above_headings = False
                self._outline.heading(self._size, HEADINGS.get(tag, TERM_LEVEL), _words(node))
        elif tag == "br":
            self._append("\n")

    def _leave(self, node: LexborNode) -> None:
        tag = node.tag
        if tag in BLOCKS:
            self._end_line()
            if tag in PARAGRAPHS and tag not in ("li", "tr", "dt") and self._ends == "\n" and self._size:
                self._append("\n")
            if tag == "pre":
                self._verbatim -= 1
            if tag in LISTS:
                self._leave_list(self._lists.pop())
        elif tag == "a":
            self._inside_links -= 1
        elif tag in CELLS and node.next is not None:
            self._append(" | ")

    def _reached(self) -> _Reached:
        counts = (self._letters, self._linked, self._links)
        return _Reached(len(self._texts), self._size, self._ends, len(self._breaks), *counts)

    def _leave_list(self, begun: _Reached) -> None:
        """Go back to where a list began if it is a menu."""
        letters, linked = self._letters - begun.letters, self._linked - begun.linked
        many = self._links - begun.links >= MENU_LINKS
        if self._above_headings and many and linked >= MENU_SHARE * letters:
            del self._texts[begun.texts :], self._breaks[begun.breaks :]
            self._size, self._ends = begun.size, begun.ends
            self._letters, self._linked, self._links = begun.letters, begun.linked, begun.links

    def _add(self, text: str) -> None:
        text = normalized(text)
        if not self._verbatim:
            text = BLANKS.sub(" ", text)
            if self._ends.isspace():
                text = text.lstrip(" ")
        if text:
            self._append(text)

    def _append(self, text: str) -> None:
        self._texts.append(text)
        self._size += len(text)
        self._ends = text[-1]
        if self._above_headings:
            letters = len("".join(text.split()))
            self._letters += letters
            self._linked += letters if self._inside_links else 0

    def _end_line(self) -> None:
        if self._ends != "\n":
            self._append("\n")

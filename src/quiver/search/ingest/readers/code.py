"""Source code: each function and class is a section, with the comments that stand right above it."""

import re
from collections.abc import Iterator
from functools import cache
from importlib import import_module

from tree_sitter import Language, Node, Parser

from quiver.errors import UnreadableFile
from quiver.search.ingest.document import Document, Section, line_starts, one_line
from quiver.search.ingest.languages import LANGUAGES, Grammar

LARGEST_PARSED = 2_000_000
"""Characters; larger sources are generated, and cut like plain text."""
DEEPEST = 32
"""Levels of the syntax tree, about two for a definition inside of another."""
WRAPPERS = frozenset(
    {"decorated_definition", "export_statement", "template_declaration", "ambient_declaration"}
)
ABOVE = ("comment", "attribute_item", "annotation")
NAME_FIELDS = ("name", "declarator", "type")
NAMES = frozenset({"qualified_identifier"})
"""What is a name as a whole, though it has parts with names."""
ONLY_AN_END = re.compile(r"(?:[\W_]|\bend\b)*")

LONGEST_MEAN_LINE = 500
LEAST_MINIFIED = 20_000
"""Characters; small files may be one line."""

Start = tuple[int, tuple[str, ...]]
"""A line, counted from 0, and the trail that holds from there."""


def read_code(text: str, title: str, suffix: str) -> Document:
    """The source as it is, cut along its definitions if their grammar is known; minified code is refused."""
    language = LANGUAGES[suffix]
    if len(text) > max(LEAST_MINIFIED, LONGEST_MEAN_LINE * (text.count("\n") + 1)):
        raise UnreadableFile("it is made for machines: its lines are as long as nobody writes them")
    sections = [Section(0)]
    if language.grammar and len(text) <= LARGEST_PARSED:
        sections = _sections(text, language.grammar)
    return Document(text=text, title=title, sections=sections, metadata={"language": language.name})


def _sections(text: str, grammar: Grammar) -> list[Section]:
    tree = _parser(grammar).parse(text.encode(errors="replace"))
    starts = line_starts(text)
    trails: dict[int, tuple[str, ...]] = {0: ()}
    for line, trail in _starts(tree.root_node, grammar, (), 0):
        trails[line] = trail
    lines = sorted(line for line in trails if line < len(starts) - 1)
    ends = [*lines[1:], len(starts) - 1]
    return [
        Section(starts[line], trails[line])
        for line, end in zip(lines, ends, strict=True)
        if line == 0 or not ONLY_AN_END.fullmatch(text, starts[line], starts[end])
    ]


@cache
def _parser(grammar: Grammar) -> Parser:
    return Parser(Language(getattr(import_module(grammar.module), grammar.entry)()))


def _starts(node: Node, grammar: Grammar, trail: tuple[str, ...], depth: int) -> Iterator[Start]:
    """Where definitions begin, and where what follows them does."""
    if depth >= DEEPEST:
        return
    above: int | None = None  # the first line of the comments right above
    for child in node.named_children:
        if any(word in child.type for word in ABOVE):
            above = child.start_point.row if above is None else above
            continue
        definition = _definition(child, grammar)
        if definition is not None:
            inner = (*trail, _name(definition))
            yield (child.start_point.row if above is None else above), inner
            if definition.type in grammar.containers:
                yield from _starts(definition, grammar, inner, depth + 1)
            yield child.end_point.row + 1, trail
        elif child.type in BODIES:
            yield from _starts(child, grammar, trail, depth + 1)
        above = None


BODIES = frozenset(
    {
        "block",
        "class_body",
        "declaration_list",
        "field_declaration_list",
        "enum_body",
        "enum_body_declarations",
        "interface_body",
        "body_statement",
        "statement_block",
        "if_statement",
        "try_statement",
        "linkage_specification",
        "namespace_definition",
        "preproc_ifdef",
        "preproc_if",
        "preproc_else",
        "expression_statement",
        "file_scoped_namespace_declaration",
    }
)
"""What stands between a file or class and its definitions."""


def _definition(node: Node, grammar: Grammar) -> Node | None:
    """The definition that a node is or wraps."""
    if node.type in grammar.leaves or node.type in grammar.containers:
        return node
    if node.type in WRAPPERS:
        return next(filter(None, (_definition(child, grammar) for child in node.named_children)), None)
    return None


def _name(node: Node) -> str:
    """What a definition is called; empty names become the kind of the definition."""
    named = node
    for _ in range(DEEPEST):
        inner = _named_part(named) or (_first_part(node) if named is node else None)
        if inner is None or named.type in NAMES:
            break
        named = inner
    text = named.text if named is not node else None
    return one_line(text.decode(errors="replace")) if text else node.type.replace("_", " ")


def _named_part(node: Node) -> Node | None:
    return next(filter(None, map(node.child_by_field_name, NAME_FIELDS)), None)


def _first_part(node: Node) -> Node | None:
    """The name inside of a definition that only wraps another, such as Go's ``type (...)``."""
    return _named_part(node.named_children[0]) if node.named_children else None

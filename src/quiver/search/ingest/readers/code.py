"""Source code: each function and class is a section, with the comments that stand right above it."""

from collections.abc import Iterator
from functools import cache
from importlib import import_module

from tree_sitter import Language, Node, Parser

from quiver.search.ingest.document import Document, Section, line_starts, one_line
from quiver.search.ingest.languages import LANGUAGES, Grammar

LARGEST_PARSED = 2_000_000
"""Characters; larger sources are generated, and cut like plain text."""
DEEPEST = 8
"""Definitions inside of definitions."""
WRAPPERS = frozenset(
    {"decorated_definition", "export_statement", "template_declaration", "ambient_declaration"}
)
ABOVE = ("comment", "attribute_item", "annotation")
NAME_FIELDS = ("name", "type", "declarator")

Start = tuple[int, tuple[str, ...]]
"""A line, counted from 0, and the trail that holds from there."""


def read_code(text: str, title: str, suffix: str) -> Document:
    """The source as it is, cut along its definitions where the language's grammar is known."""
    language = LANGUAGES[suffix]
    sections = [Section(0)]
    if language.grammar and len(text) <= LARGEST_PARSED:
        sections = _sections(text, language.grammar)
    return Document(text=text, title=title, sections=sections, metadata={"language": language.name})


def _sections(text: str, grammar: Grammar) -> list[Section]:
    tree = _parser(grammar).parse(text.encode(errors="replace"))
    starts = line_starts(text)
    trails: dict[int, tuple[str, ...]] = {0: ()}
    for line, trail in _starts(tree.root_node, grammar, ()):
        trails[line] = trail
    in_order = sorted((line, trail) for line, trail in trails.items() if line < len(starts) - 1)
    return [Section(starts[line], trail) for line, trail in in_order]


@cache
def _parser(grammar: Grammar) -> Parser:
    return Parser(Language(getattr(import_module(grammar.module), grammar.entry)()))


def _starts(node: Node, grammar: Grammar, trail: tuple[str, ...]) -> Iterator[Start]:
    """Where definitions begin, and where what follows them does."""
    if len(trail) >= DEEPEST:
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
                yield from _starts(definition, grammar, inner)
            yield child.end_point.row + 1, trail
        elif not trail or child.type in BODIES:
            yield from _starts(child, grammar, trail) if child.type in BODIES else ()
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
    named: Node | None = node
    for _ in range(DEEPEST):
        inner = next(filter(None, map(named.child_by_field_name, NAME_FIELDS)), None) if named else None
        if inner is None:
            break
        named = inner
    text = named.text if named is not None and named is not node else None
    return one_line(text.decode(errors="replace")) if text else node.type.replace("_", " ")

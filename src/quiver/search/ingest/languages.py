"""Languages: file endings of source code, and for some the grammar that knows its definitions."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Grammar:
    """A tree-sitter grammar and the nodes that are worth a heading."""

    module: str
    leaves: frozenset[str]
    """Definitions that are kept whole: functions, methods, types."""
    containers: frozenset[str] = frozenset()
    """Definitions that hold others: classes, modules."""
    entry: str = "language"
    """The module's function that gives the grammar."""


@dataclass(frozen=True, slots=True)
class Language:
    """A programming language; without a grammar its files are cut at blank lines."""

    name: str
    grammar: Grammar | None = None


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_PYTHON = Grammar("tree_sitter_python", _names("function_definition"), _names("class_definition"))
_SCRIPT_LEAVES = _names(
    "function_declaration generator_function_declaration method_definition interface_declaration "
    "enum_declaration type_alias_declaration abstract_method_signature lexical_declaration"
)
_SCRIPT_CONTAINERS = _names("class_declaration abstract_class_declaration internal_module module")
_C_LEAVES = _names("function_definition")
_CPP_CONTAINERS = _names("class_specifier struct_specifier namespace_definition")
_JAVA = Grammar(
    "tree_sitter_java",
    _names("method_declaration constructor_declaration annotation_type_declaration"),
    _names("class_declaration interface_declaration enum_declaration record_declaration"),
)
_C_SHARP = Grammar(
    "tree_sitter_c_sharp",
    _names("method_declaration constructor_declaration property_declaration delegate_declaration"),
    _names(
        "namespace_declaration class_declaration struct_declaration interface_declaration "
        "record_declaration enum_declaration"
    ),
)
_RUST = Grammar(
    "tree_sitter_rust",
    _names(
        "function_item function_signature_item struct_item enum_item union_item macro_definition type_item"
    ),
    _names("impl_item trait_item mod_item"),
)
_GO = Grammar("tree_sitter_go", _names("function_declaration method_declaration type_declaration"))
_RUBY = Grammar("tree_sitter_ruby", _names("method singleton_method"), _names("class module"))
_PHP = Grammar(
    "tree_sitter_php",
    _names("function_definition method_declaration"),
    _names("class_declaration interface_declaration trait_declaration enum_declaration"),
    entry="language_php",
)

_C = Language("c", Grammar("tree_sitter_c", _C_LEAVES | _names("struct_specifier enum_specifier")))
_CPP = Language("c++", Grammar("tree_sitter_cpp", _C_LEAVES, _CPP_CONTAINERS))
_JAVASCRIPT = Language("javascript", Grammar("tree_sitter_javascript", _SCRIPT_LEAVES, _SCRIPT_CONTAINERS))
_TYPESCRIPT, _TSX = (
    Language(
        "typescript",
        Grammar("tree_sitter_typescript", _SCRIPT_LEAVES, _SCRIPT_CONTAINERS, entry=f"language_{dialect}"),
    )
    for dialect in ("typescript", "tsx")
)
_SHELL = Language("shell", Grammar("tree_sitter_bash", _names("function_definition")))

LANGUAGES = {
    **dict.fromkeys((".py", ".pyi"), Language("python", _PYTHON)),
    **dict.fromkeys((".js", ".jsx", ".mjs", ".cjs"), _JAVASCRIPT),
    **dict.fromkeys((".ts", ".mts", ".cts"), _TYPESCRIPT),
    ".tsx": _TSX,
    **dict.fromkeys((".c",), _C),
    **dict.fromkeys((".h", ".cc", ".cpp", ".cxx", ".hh", ".hpp", ".hxx", ".cu", ".cuh"), _CPP),
    ".java": Language("java", _JAVA),
    ".cs": Language("c#", _C_SHARP),
    ".rs": Language("rust", _RUST),
    ".go": Language("go", _GO),
    ".rb": Language("ruby", _RUBY),
    ".php": Language("php", _PHP),
    **dict.fromkeys((".sh", ".bash"), _SHELL),
    **{
        suffix: Language(name)
        for suffix, name in {
            ".kt": "kotlin",
            ".swift": "swift",
            ".scala": "scala",
            ".lua": "lua",
            ".pl": "perl",
            ".pm": "perl",
            ".r": "r",
            ".jl": "julia",
            ".hs": "haskell",
            ".ml": "ocaml",
            ".ex": "elixir",
            ".exs": "elixir",
            ".erl": "erlang",
            ".clj": "clojure",
            ".el": "lisp",
            ".lisp": "lisp",
            ".dart": "dart",
            ".zig": "zig",
            ".sql": "sql",
            ".ps1": "powershell",
            ".vue": "vue",
            ".svelte": "svelte",
            ".css": "css",
            ".scss": "css",
            ".proto": "protobuf",
            ".graphql": "graphql",
            ".cmake": "cmake",
            ".tf": "terraform",
            ".nix": "nix",
            ".yaml": "yaml",
            ".yml": "yaml",
            ".toml": "toml",
            ".ini": "ini",
            ".cfg": "ini",
            ".json": "json",
            ".xml": "xml",
        }.items()
    },
}
"""By ending, in lower case."""

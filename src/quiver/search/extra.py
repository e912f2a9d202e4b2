"""The packages of the extra ``search``, asked for once with the command that installs them."""

from importlib.util import find_spec

from quiver.errors import InputError

NEEDED = (
    "bm25s",
    "charset_normalizer",
    "docx",
    "lancedb",
    "markdown_it",
    "pathspec",
    "pyarrow",
    "pypdfium2",
    "regex",
    "selectolax",
    "sqlglot",
    "Stemmer",
    "tree_sitter",
)


def check_installed() -> None:
    """Raise InputError if an index cannot be read or written, before anything else happens."""
    for module in NEEDED:
        if find_spec(module) is None:
            raise InputError(f"search needs {module}: pip install 'quiver-embed[search]'")

"""The floors of the design: a module imports only from floors below its own, and nothing heavy at import."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import quiver

SOURCE = Path(quiver.__file__).parent
FLOORS = (
    ("quiver.cache", "quiver.errors", "quiver.whole_file"),
    ("quiver.models", "quiver.progress"),
    ("quiver.text",),
    ("quiver.engine",),
    ("quiver.opened", "quiver.results"),
    ("quiver.embedder", "quiver.interpolation", "quiver.reranker", "quiver.rows", "quiver.word_scores"),
    ("quiver.doctor", "quiver.evaluate", "quiver.planning"),
    ("quiver.remote",),
    ("quiver.train",),
    ("quiver.search",),
    ("quiver.integrations", "quiver.server"),
    ("quiver.cluster",),
    ("quiver.cli",),
    ("quiver.__main__",),
)
MODULES = sorted(path for path in SOURCE.rglob("*.py") if path != SOURCE / "__init__.py")


def name_of(path: Path) -> str:
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def floor_of(module: str) -> int:
    for floor, packages in enumerate(FLOORS):
        if any(module == package or module.startswith(f"{package}.") for package in packages):
            return floor
    raise AssertionError(f"{module} stands on no floor")


def imports_of(path: Path) -> Iterator[str]:
    """Modules of Quiver that a file imports, in functions too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("quiver."):
            yield node.module
        elif isinstance(node, ast.ImportFrom) and node.module == "quiver":
            yield from (f"quiver.{alias.name}" for alias in node.names if alias.name.islower())
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("quiver."))


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_go_downwards(path: Path) -> None:
    own = floor_of(name_of(path))
    upward = [module for module in imports_of(path) if module in known() and floor_of(module) > own]
    assert upward == []


def known() -> set[str]:
    return {name_of(path) for path in MODULES}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_file_is_one_idea_of_reasonable_length(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400


def test_importing_quiver_loads_nothing_heavy() -> None:
    heavy = ("torch", "numpy", "tokenizers", "rich", "huggingface_hub", "transformers")
    code = f"import sys, quiver; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_public_names() -> None:
    assert quiver.__all__ == [
        "Embedder",
        "Embeddings",
        "QuiverError",
        "Ranking",
        "Remote",
        "Reranker",
        "Scores",
        "Searcher",
        "Vllm",
        "__version__",
    ]
    assert all(getattr(quiver, name) is not None for name in quiver.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        quiver.Nothing  # noqa: B018

"""The examples and the Python of the pages run as they are written."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from quiver.models.fingerprint import Fingerprint

ROOT = Path(__file__).parent.parent
PAGES = ("README.md", "docs/training.md")


def python_of(page: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", (ROOT / page).read_text(), re.M | re.S)


PYTHON_BLOCKS = [block for page in PAGES for block in python_of(page)]
INTEGRATIONS = python_of("docs/integrations.md")


def run(*arguments: str | Path, folder: Path = ROOT) -> str:
    done = subprocess.run(
        [sys.executable, *map(str, arguments)], capture_output=True, text=True, cwd=folder, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_search_documents() -> None:
    output = run("examples/search_documents.py")
    assert "git reset --soft" in output
    assert len(output.splitlines()) == 6


def test_a_chain_of_langchain() -> None:
    assert "git reset --soft" in run("examples/langchain_chain.py").splitlines()[0]


def test_embed_a_corpus(tmp_path: Path) -> None:
    target = tmp_path / "vectors.npy"
    assert "28 vectors of 128 dimensions" in run(
        "examples/embed_a_corpus.py", "examples/documents/git.txt", target
    )
    assert np.load(target).shape == (28, 128)
    assert Fingerprint.parse(target.with_suffix(".fingerprint").read_text().strip()).dimension == 128


@pytest.mark.parametrize("block", PYTHON_BLOCKS, ids=range(len(PYTHON_BLOCKS)))
def test_the_pages_python_runs(block: str, tmp_path: Path) -> None:
    script = tmp_path / "block.py"
    script.write_text(block)
    run(script)


@pytest.mark.parametrize("block", INTEGRATIONS, ids=range(len(INTEGRATIONS)))
def test_the_integrations_find_the_right_note(block: str, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    shutil.copy(ROOT / "examples" / "documents" / "git.txt", tmp_path / "docs")
    run("-m", "quiver", "index", "docs", "--quiet", folder=tmp_path)
    (tmp_path / "block.py").write_text(block)
    assert "git reset --soft" in run("block.py", folder=tmp_path)


def test_the_pages_have_python() -> None:
    assert len(PYTHON_BLOCKS) >= 4
    assert len(INTEGRATIONS) == 4

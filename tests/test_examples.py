"""The examples and the Python of the pages run as they are written."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from quiver.models.fingerprint import Fingerprint

ROOT = Path(__file__).parent.parent
PAGES = ("README.md", "docs/training.md")
PYTHON_BLOCKS = [
    block
    for page in PAGES
    for block in re.findall(r"^```python\n(.*?)^```$", (ROOT / page).read_text(), re.M | re.S)
]


def run(*arguments: str | Path) -> str:
    done = subprocess.run(
        [sys.executable, *map(str, arguments)], capture_output=True, text=True, cwd=ROOT, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_search_documents() -> None:
    output = run("examples/search_documents.py")
    assert "git reset --soft" in output
    assert len(output.splitlines()) == 6


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


def test_the_pages_have_python() -> None:
    assert len(PYTHON_BLOCKS) >= 4

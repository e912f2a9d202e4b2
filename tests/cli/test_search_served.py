"""``quiver index`` and ``quiver search`` where a server runs the model."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from quiver import Embedder
from quiver.models import catalog
from quiver.server.models import OpenedModels
from tests.cli.conftest import finished
from tests.server.running import running


@pytest.fixture
def address() -> Iterator[str]:
    with running(OpenedModels(embedder=Embedder())) as server:
        yield server.url


def test_an_index_is_the_same_wherever_its_model_runs(tmp_path: Path, address: str) -> None:
    (tmp_path / "git.txt").write_text("Reset undoes a commit.")
    (tmp_path / "sea.txt").write_text("Ships sail the sea.")
    index = ["--index", str(tmp_path / "index")]
    served = ["--url", address]
    run = finished(
        "index", str(tmp_path), *index, "--model", catalog.BUILTIN_EMBEDDER, *served, module="quiver"
    )
    assert run.code == 0, run.err
    at_hand, there = (
        finished("search", "undo my commit", "--mode", "dense", *index, *options, module="quiver")
        for options in ([], served)
    )
    assert at_hand.code == there.code == 0, there.err
    assert [hit["path"] for hit in there.records] == [hit["path"] for hit in at_hand.records]
    assert there.records[0]["path"].endswith("git.txt")


def test_passages_are_measured_in_tokens_so_the_model_must_be_named(tmp_path: Path, address: str) -> None:
    (tmp_path / "git.txt").write_text("Reset undoes a commit.")
    run = finished("index", str(tmp_path), "--index", str(tmp_path / "i"), "--url", address, module="quiver")
    assert run.code == 1
    assert "give the model's name" in run.err

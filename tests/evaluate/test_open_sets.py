"""The real sets, where they lie: QUIVER_EVALUATION_SETS, or beside the project."""

import os
from pathlib import Path

import pytest

from quiver import Embedder
from quiver.evaluate import Bm25, evaluate
from quiver.evaluate.tasks import READERS, read_task

BESIDE = Path(__file__).parents[2].parent / "shared" / "data" / "eval" / "open"
SETS = Path(os.environ.get("QUIVER_EVALUATION_SETS", BESIDE))

pytestmark = pytest.mark.skipif(not SETS.is_dir(), reason="needs evaluation sets: QUIVER_EVALUATION_SETS")


def test_every_set_can_be_read() -> None:
    types = {read_task(meta.parent).meta.type for meta in sorted(SETS.glob("*/meta.json"))}
    assert types == set(READERS)


def test_the_built_in_model_has_learnt_something() -> None:
    folders = [SETS / name for name in ("limit-small-en", "stsb-en")]
    if not all(folder.is_dir() for folder in folders):
        pytest.skip("limit-small-en or stsb-en is absent")
    results = evaluate(folders, {"mini": Embedder(), "BM25": Bm25()}, show_progress_bar=False)
    scores = {(result.set, result.system): result.score for result in results}
    assert scores["stsb-en", "mini"] > 0.5
    assert scores["limit-small-en", "BM25"] > 0.9

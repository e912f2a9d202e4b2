"""Real sets and the built-in embedder: mteb's evaluator and ours agree."""

from pathlib import Path

import pytest

from quiver import Embedder
from quiver.evaluate import evaluate
from quiver.evaluate.mteb import MtebEncoder, evaluate_tasks, folder_instruction, folder_task
from quiver.evaluate.scores import TaskScore
from tests.evaluate.test_open_sets import SETS

OF_TYPE = {
    "retrieval": "vendor-docs-en",
    "reranking": "trecqa-rerank-en",
    "sts": "stsb-en",
    "pair_classification": "mrpc-en",
}
EXACT = 1e-6

pytestmark = pytest.mark.skipif(
    not all((SETS / name).is_dir() for name in OF_TYPE.values()),
    reason="needs evaluation sets: QUIVER_EVALUATION_SETS",
)


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return Embedder()


@pytest.fixture
def model(embedder: Embedder) -> MtebEncoder:
    return MtebEncoder(embedder, "quiver/mini", folder_instruction, own_instructions=True)


def exact(score: TaskScore) -> float:
    """mteb's main score before it is rounded to five digits, which rankings' queries give."""
    if score.type not in ("Retrieval", "Reranking"):
        return score.score
    [queries] = score.by_query.values()
    return sum(queries.values()) / len(queries)


@pytest.mark.parametrize("name", OF_TYPE.values(), ids=list(OF_TYPE))
def test_the_numbers_agree(name: str, embedder: Embedder, model: MtebEncoder, tmp_path: Path) -> None:
    folder = SETS / name
    [ours] = evaluate([folder], {"mini": embedder}, show_progress_bar=False)
    outcome = evaluate_tasks([folder_task(folder)], model, folder=tmp_path, show_progress_bar=False)
    assert outcome.failures == []
    assert exact(outcome.scores[0]) == pytest.approx(ours.score, abs=EXACT)

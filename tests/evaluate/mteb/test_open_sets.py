"""Real sets and the built-in models: mteb's evaluator and ours agree on every type and in two stages."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from quiver import Embedder, Reranker
from quiver.evaluate import RerankStage, evaluate
from quiver.evaluate.mteb import (
    Candidates,
    MtebCrossEncoder,
    MtebEncoder,
    evaluate_tasks,
    folder_instruction,
    folder_task,
    rankings_folder,
    reordering,
)
from quiver.evaluate.scores import TaskScore
from quiver.results import Scores
from tests.evaluate.test_open_sets import SETS

OF_TYPE = {
    "retrieval": "vendor-docs-en",
    "reranking": "trecqa-rerank-en",
    "sts": "stsb-en",
    "pair_classification": "mrpc-en",
    "classification": "counterfactual-de",
    "clustering": "stackoverflow-clusters-en",
    "bitext": "ntrex",
}
MAX_LENGTH, MOST_LINES = 96, 40
"""Enough to compare two evaluators, and soon done"""
EXACT = 1e-6
TIED = 1e-3
"""Scripts that the built-in vocabulary left out fall to bytes of one vector: sentences of them that are cut
alike tie, which each evaluator breaks in its own way"""
TOP = 12
"""Candidates of the second stage: the metric looks at ten, and mteb forgets those below the cut."""

pytestmark = pytest.mark.skipif(
    not all((SETS / name).is_dir() for name in OF_TYPE.values()),
    reason="needs evaluation sets: QUIVER_EVALUATION_SETS",
)


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return Embedder(max_length=MAX_LENGTH, on_too_long="truncate")


@pytest.fixture
def model(embedder: Embedder) -> MtebEncoder:
    return MtebEncoder(embedder, "quiver/mini", folder_instruction, own_instructions=True)


def shortened(source: Path, folder: Path) -> Path:
    """The set, and of a list of pairs, of texts to be grouped or of parallel texts the first ones."""
    folder.mkdir()
    for file in source.iterdir():
        lines = file.read_text().splitlines(keepends=True)
        is_list = file.name == "pairs.tsv" or file.suffix == ".txt" or source.name == OF_TYPE["clustering"]
        (folder / file.name).write_text("".join(lines[:MOST_LINES] if is_list else lines))
    return folder


def exact(score: TaskScore) -> float:
    """mteb's main score before it is rounded to five digits, which rankings' queries give."""
    if score.type not in ("Retrieval", "Reranking"):
        return score.score
    [queries] = score.by_query.values()
    return sum(queries.values()) / len(queries)


@pytest.mark.parametrize("name", OF_TYPE.values(), ids=list(OF_TYPE))
def test_the_numbers_agree(name: str, embedder: Embedder, model: MtebEncoder, tmp_path: Path) -> None:
    folder = shortened(SETS / name, tmp_path / name)
    [ours] = evaluate([folder], {"mini": embedder}, show_progress_bar=False)
    results = tmp_path / "results"
    outcome = evaluate_tasks([folder_task(folder)], model, folder=results, show_progress_bar=False)
    assert outcome.failures == []
    tolerance = TIED if folder.name == OF_TYPE["bitext"] else EXACT
    assert exact(outcome.scores[0]) == pytest.approx(ours.score, abs=tolerance)


@dataclass(frozen=True)
class Alone:
    """A reranker whose scores are all that counts, as mteb's evaluator takes them."""

    predict: Callable[..., Scores]


def test_two_stages(embedder: Embedder, model: MtebEncoder, tmp_path: Path) -> None:
    """The best of the embedder, in the reranker's order."""
    folder, reranker = SETS / OF_TYPE["retrieval"], Reranker()
    stage = RerankStage(name="mini", model=Alone(reranker.predict), top=TOP)
    [_, ours] = evaluate([folder], {"mini": embedder}, reranker=stage, show_progress_bar=False)
    evaluate_tasks([folder_task(folder)], model, folder=tmp_path, show_progress_bar=False)
    candidates = Candidates(rankings_folder(model, tmp_path), top=TOP)
    judge = reordering(
        MtebCrossEncoder(reranker, "quiver/mini-reranker", folder_instruction), candidates.origin
    )
    [score] = evaluate_tasks(
        [folder_task(folder)], judge, folder=tmp_path, candidates=candidates, show_progress_bar=False
    ).scores
    assert exact(score) == pytest.approx(ours.score, abs=EXACT)

"""Real questions: what is chosen on half of them holds on the other half, which the choice never saw."""

from dataclasses import replace

import numpy as np
import pytest

from quiver import Embedder, Reranker
from quiver.evaluate.measures import Run
from quiver.evaluate.ranking import RankingTask
from quiver.evaluate.systems import RerankStage
from quiver.evaluate.tune import read_labels, tune_depth, tune_dims, tune_instruction, tune_threshold
from quiver.evaluate.tune.halves import standard_error
from quiver.evaluate.vectors import Embedding, cut_to
from quiver.results import Floats
from tests.evaluate.test_open_sets import SETS

SET = SETS / "xquad-en"
DEPTHS = (3, 10)

pytestmark = pytest.mark.skipif(not SET.is_dir(), reason="needs evaluation sets: QUIVER_EVALUATION_SETS")


def part(task: RankingTask, remainder: int, count: int) -> RankingTask:
    """Every other query, the first or the second of two."""
    kept = range(remainder, 2 * count, 2)
    ids = [task.query_ids[place] for place in kept]
    return replace(
        task,
        query_ids=ids,
        queries=[task.queries[place] for place in kept],
        grades={query: task.grades[query] for query in ids},
    )


@pytest.fixture(scope="module")
def task() -> RankingTask:
    return read_labels(SET)


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return Embedder(on_too_long="truncate")


def rankings(task: RankingTask, embedder: Embedder, *dimensions: int | None) -> list[Run]:
    vectors = task.embed(Embedding(embedder, show_progress_bar=False))
    return [task.ranked_by_vectors(cut_to(vectors, dimension)) for dimension in dimensions]


def scores(task: RankingTask, run: Run) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    return np.asarray(list(task.measure_queries(run).values()))


def test_an_instruction_finds_no_less_on_other_queries(task: RankingTask, embedder: Embedder) -> None:
    advice = tune_instruction(part(task, 0, 150), embedder, ["Given a question, retrieve its translation"])
    other = part(task, 1, 150)
    embedding = Embedding(embedder, show_progress_bar=False)
    documents = embedding.documents(other.documents)

    def measured(queries: Floats) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
        vectors = cut_to({"queries": queries, "documents": documents}, None)
        return scores(other, other.ranked_by_vectors(vectors))

    usual = measured(embedding.queries(other.queries, None))
    if advice.value.bare:
        chosen = measured(embedding.documents(other.queries))
    else:
        chosen = measured(embedding.queries(other.queries, advice.value.instruction))
    assert np.mean(chosen - usual) >= -standard_error(chosen - usual)


def test_a_dimension_loses_no_more_on_other_queries(task: RankingTask, embedder: Embedder) -> None:
    loss = 0.15
    advice = tune_dims(part(task, 0, 150), {"auto": embedder}, loss=loss)
    other = part(task, 1, 150)
    whole, short = (scores(other, run) for run in rankings(other, embedder, None, advice.value.dimension))
    assert advice.value.dimension < embedder.embedding_dim
    assert np.mean(whole - short) <= loss * np.mean(whole)


def test_a_depth_is_no_worse_on_other_queries(task: RankingTask, embedder: Embedder) -> None:
    judge = Reranker(on_too_long="truncate")
    advice = tune_depth(part(task, 0, 30), embedder, judge, depths=DEPTHS)
    other = part(task, 1, 30)
    (found,) = rankings(other, embedder, None)
    if advice.value:
        stage = RerankStage(name="judge", model=judge, top=advice.value)
        change = scores(other, other.reranked(found, stage, show_progress_bar=False)) - scores(other, found)
        assert change.mean() >= -standard_error(change)


def test_a_threshold_comes_with_precision_and_recall(task: RankingTask, embedder: Embedder) -> None:
    judge = Reranker(on_too_long="truncate")
    advice = tune_threshold(part(task, 0, 30), embedder, judge, candidates=5)
    assert 0 < advice.value < 1
    assert [column.title for column in advice.table.columns][2:6] == ["precision", "from", "to", "recall"]

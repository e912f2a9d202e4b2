import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score

from quiver.train.rows import TrainingRow
from quiver.train.scores import RerankingSet, RetrievalSet, ranking_score


@given(st.integers(0, 10_000), st.integers(2, 30))
def test_ndcg_is_that_of_scikit_learn(seed: int, count: int) -> None:
    draw = np.random.default_rng(seed)
    relevance, scores = draw.integers(0, 2, count).astype(float), draw.permutation(count).astype(np.float32)
    if relevance.any():
        expected = ndcg_score([relevance], [scores], k=10)
        assert ranking_score([relevance], [scores]) == pytest.approx(expected)


def test_a_collapsed_model_does_not_profit_from_the_order_of_documents() -> None:
    rows = RerankingSet([TrainingRow("q", ("right",), ("a", "b", "c"))])
    collapsed = rows.score(np.zeros(4, np.float32))
    assert collapsed == rows.score(np.asarray([-1, 0, 0, 0], np.float32)) < 0.5
    assert rows.score(np.asarray([1, 0, 0, 0], np.float32)) == 1


def test_documents_of_equal_queries_all_count() -> None:
    found = RetrievalSet(
        [TrainingRow("q", ("a",)), TrainingRow("q", ("b",), ("c",)), TrainingRow("r", ("c",))]
    )
    assert ([row.query for row in found.queries], found.documents) == (["q", "r"], ["a", "b", "c"])
    queries = np.eye(2, dtype=np.float32)
    assert found.score(queries, np.asarray([[1, 0], [0.9, 0], [0, 1]], np.float32)) == 1


def test_a_row_without_negatives_is_ranked_among_other_rows_documents() -> None:
    rows = [TrainingRow(f"q{n}", (f"d{n}",)) for n in range(30)]
    found = RerankingSet(rows)
    assert found.documents[29] == ("d29", *(f"d{n}" for n in range(20)))
    assert len(found.pairs) == 30 * 21

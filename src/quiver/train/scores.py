"""Scores: how well a network ranks an evaluation set, computed the same way during training and after it."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from quiver.results import Floats
from quiver.train.rows import TrainingRow

DEPTH = 10
STANDINS = 20
"""Other rows' positives that a reranker's row without negatives is ranked among."""


def ndcg(gains: npt.NDArray[np.float64]) -> float:
    """nDCG@10 of gains in ranked order: sum gain / log2(rank + 1), over that of the best order.

    Järvelin and Kekäläinen 2002. 0 without any gain.
    """
    discounts = 1 / np.log2(np.arange(2, DEPTH + 2))
    best = np.sort(gains)[::-1][:DEPTH]
    ideal = float((best * discounts[: len(best)]).sum())
    return float((gains[:DEPTH] * discounts[: len(gains[:DEPTH])]).sum()) / ideal if ideal else 0.0


def ranking_score(relevance: Sequence[npt.NDArray[np.float64]], scores: Sequence[Floats]) -> float:
    """Mean nDCG@10 of queries, each with its documents' relevance and scores; equal scores count as wrong.

    A collapsed model, which scores all documents alike, must not profit from their order.
    """
    found = []
    for relevant, given in zip(relevance, scores, strict=True):
        order = np.lexsort((relevant, -np.asarray(given, np.float64)))
        found.append(ndcg(relevant[order]))
    return float(np.mean(found))


class RetrievalSet:
    """All documents of the rows, and which of them answer each query."""

    def __init__(self, rows: Sequence[TrainingRow]) -> None:
        merged: dict[tuple[str | None, str], TrainingRow] = {}
        for row in rows:
            before = merged.get((row.instruction, row.query))
            positives = dict.fromkeys((*(before.positives if before else ()), *row.positives))
            merged[row.instruction, row.query] = TrainingRow(
                row.query, tuple(positives), (), row.instruction, row.task
            )
        self.queries = list(merged.values())
        self.documents = list(
            dict.fromkeys(text for row in rows for text in (*row.positives, *row.negatives))
        )
        places = {text: place for place, text in enumerate(self.documents)}
        self._relevant = [[places[text] for text in row.positives] for row in self.queries]

    def score(self, queries: Floats, documents: Floats) -> float:
        """Mean nDCG@10 of unit vectors [queries, E] and [documents, E]."""
        relevance = []
        for places in self._relevant:
            gains = np.zeros(len(self.documents))
            gains[places] = 1
            relevance.append(gains)
        return ranking_score(relevance, list(queries @ documents.T))


class RerankingSet:
    """Every row's own documents; a row without negatives is ranked among other rows' positives."""

    def __init__(self, rows: Sequence[TrainingRow]) -> None:
        self.rows = list(rows)
        self.documents = [self._documents_of(place) for place in range(len(self.rows))]
        self._relevance = [
            np.asarray([float(text in row.positives) for text in documents])
            for row, documents in zip(self.rows, self.documents, strict=True)
        ]

    def _documents_of(self, place: int) -> tuple[str, ...]:
        row = self.rows[place]
        if row.negatives:
            return (*row.positives, *row.negatives)
        others = (self.rows[(place + step) % len(self.rows)] for step in range(1, STANDINS + 1))
        known = dict.fromkeys((*row.positives, *(other.positives[0] for other in others)))
        return tuple(known)

    @property
    def pairs(self) -> list[tuple[TrainingRow, str]]:
        """Every row with each of its documents."""
        return [(row, text) for row, texts in zip(self.rows, self.documents, strict=True) for text in texts]

    def score(self, log_odds: Floats) -> float:
        """Mean nDCG@10 of the pairs' scores, in the order of ``pairs``."""
        ends = np.cumsum([len(texts) for texts in self.documents])[:-1]
        return ranking_score(self._relevance, np.split(np.asarray(log_odds), ends))

"""Scores: from vectors to the metric of a retrieval set, by a well-kept library."""

from collections.abc import Sequence

import numpy as np

from benchmarks.command import BenchmarkError, need
from benchmarks.quality_data import Retrieval
from quiver.results import Floats

DEPTH = 100
"""Documents of a ranking that metrics may look at."""

Ranked = tuple[Sequence[Sequence[int]], Sequence[Sequence[float]]]
"""For every query positions of documents and their scores, the best first."""


def rank_vectors(queries: Floats, documents: Floats) -> Ranked:
    """The documents nearest to every query, by unit vectors."""
    similar = queries @ documents.T
    order = np.argsort(-similar, axis=1, kind="stable")[:, :DEPTH]
    return order.tolist(), np.take_along_axis(similar, order, axis=1).tolist()


def score_ranking(data: Retrieval, ranked: Ranked, metric: str) -> float:
    """The set's metric by ir-measures (trec_eval)."""
    measures = need("ir_measures", "ir-measures")
    known = {
        "ndcg@10": measures.nDCG @ 10,
        "mrr@10": measures.RR @ 10,
        "recall@10": measures.R @ 10,
        "recall@2": measures.R @ 2,
    }
    if metric not in known:
        raise BenchmarkError(f"the metric {metric!r} is not one of {', '.join(known)}")
    runs = {
        query: {data.document_ids[i]: float(score) for i, score in zip(found, scores, strict=True)}
        for query, found, scores in zip(data.query_ids, *ranked, strict=True)
    }
    return float(measures.calc_aggregate([known[metric]], data.grades, runs)[known[metric]])

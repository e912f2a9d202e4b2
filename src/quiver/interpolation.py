"""Interpolation: a reranker's log-odds beside the scores by which its candidates were found.

A small reranker knows other things than the retriever, not better ones, and a list in its order alone forgets
what the retriever knew. Both together are better than either (Wang, Zhuang and Zuccon, 2021, "BERT-based
Dense Retrievers Require Interpolation with BM25"). The published rerankers read the texts far better than any
retriever and are left alone: their weight is 0. What candidates' words say counts too.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from quiver.results import Floats


def retrieval_weight_of(model: object) -> float:
    """What a spread of the retriever's scores counts in spreads of log-odds; 0 where a model does not say."""
    return float(getattr(model, "retrieval_weight", 0.0))


def interpolated(odds: Sequence[float] | Floats, heights: Floats, weight: float) -> Floats:
    """Log-odds [N] of a query's candidates and what else is known of them, ``heights`` [N], summed.

    A height of 1 counts ``weight`` spreads of these log-odds: where the model knows the words badly, as in
    code, they lie near each other, and what else is known would count alone. Where they are all alike, it
    does.
    """
    values = np.asarray(odds, dtype=np.float64)
    sums: Floats = (values + weight * (_spread(values) or 1.0) * heights).astype(np.float32)
    return sums


def standardised(scores: Sequence[float] | Floats) -> Floats:
    """Scores [N] less their mean, in units of their spread: so cosines and BM25 compare; 0 if all are alike.

    (Montague and Aslam, 2001, "Relevance Score Normalization for Metasearch".)
    """
    values = np.asarray(scores, dtype=np.float64)
    spread = _spread(values)
    if not spread:
        return np.zeros(len(values), dtype=np.float32)
    heights: Floats = ((values - values.mean()) / spread).astype(np.float32)
    return heights


def _spread(values: npt.NDArray[np.float64]) -> float:
    """The standard deviation; 0 where rounding alone tells equal values apart."""
    spread = float(values.std()) if len(values) else 0.0
    return 0.0 if spread <= 1e-9 * np.abs(values).max(initial=0.0) else spread

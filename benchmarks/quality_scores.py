"""Scores: from vectors or rankings to the metric of a set, by well-kept libraries."""

from collections.abc import Callable, Sequence

import numpy as np

from benchmarks.command import BenchmarkError, need
from benchmarks.quality_data import (
    Meta,
    Pairs,
    Retrieval,
    read_labelled,
    read_lines,
    read_pairs,
)
from quiver.evaluate.systems import Encoder
from quiver.results import Floats

DEPTH = 100
"""Documents of a ranking that metrics may look at."""

SHOTS, TRIALS = 8, 10
"""MTEB's classification: training texts of each class, and how often they are drawn anew."""

BITEXT_LANGUAGES = ("deu", "fra", "spa", "rus", "arb", "hin", "jpn", "zho-CN")
"""Mined against English, both ways."""

Ranked = tuple[Sequence[Sequence[int]], Sequence[Sequence[float]]]
"""For every query positions of documents and their scores, the best first."""


def rank_documents(encoder: Encoder, data: Retrieval, instruction: str) -> Ranked:
    """The documents nearest to every query."""
    documents = encoder.encode(data.documents, None)
    return rank_vectors(encoder.encode(data.queries, instruction), documents)


def rank_vectors(queries: Floats, documents: Floats) -> Ranked:
    """The same for unit vectors."""
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


def check_type(meta: Meta) -> None:
    """Raise BenchmarkError for a set that this benchmark cannot score."""
    if meta.type not in ("retrieval", *SCORERS):
        known = ", ".join(sorted(("retrieval", *SCORERS)))
        raise BenchmarkError(f"{meta.name} is of type {meta.type!r}; only {known} are scored here")


def score_vectors(encoder: Encoder, meta: Meta, symmetric: str | None) -> float:
    """The metric of a set without documents; ``symmetric`` is the instruction before all its texts."""
    return SCORERS[meta.type](encoder, meta, symmetric)


def _cosines(encoder: Encoder, pairs: Pairs, instruction: str | None) -> Floats:
    vectors = encoder.encode([*pairs.first, *pairs.second], instruction)
    cosines: Floats = (vectors[: len(pairs.first)] * vectors[len(pairs.first) :]).sum(axis=1)
    return cosines


def _spearman(encoder: Encoder, meta: Meta, instruction: str | None) -> float:
    stats, pairs = need("scipy.stats", "scipy"), read_pairs(meta)
    return float(stats.spearmanr(_cosines(encoder, pairs, instruction), pairs.values).statistic)


def _average_precision(encoder: Encoder, meta: Meta, instruction: str | None) -> float:
    metrics, pairs = need("sklearn.metrics", "scikit-learn"), read_pairs(meta)
    return float(metrics.average_precision_score(pairs.values, _cosines(encoder, pairs, instruction)))


def _mine(encoder: Encoder, meta: Meta, instruction: str | None) -> float:
    """Mean F1 of finding each sentence's translation, English to others and back."""
    metrics = need("sklearn.metrics", "scikit-learn")
    english = encoder.encode(read_lines(meta, "eng"), instruction)
    gold = np.arange(len(english))
    scores = []
    for language in BITEXT_LANGUAGES:
        similar = encoder.encode(read_lines(meta, language), instruction) @ english.T
        for found in (similar.argmax(axis=1), similar.argmax(axis=0)):
            scores.append(metrics.f1_score(gold, found, average="weighted", zero_division=0))
    return float(np.mean(scores))


def _classify(encoder: Encoder, meta: Meta, instruction: str | None) -> float:
    """Mean accuracy of logistic regression on a few texts of each class, as in MTEB."""
    regression = need("sklearn.linear_model", "scikit-learn").LogisticRegression
    train, test = read_labelled(meta, "train"), read_labelled(meta, "test")
    draws = [_draw(train.labels, np.random.default_rng(42 + trial)) for trial in range(TRIALS)]
    used = sorted({position for draw in draws for position in draw})
    rows = dict(zip(used, encoder.encode([train.texts[i] for i in used], instruction), strict=True))
    asked = encoder.encode(test.texts, instruction)
    scores = []
    for draw in draws:
        model = regression(max_iter=100).fit(
            np.stack([rows[i] for i in draw]), [train.labels[i] for i in draw]
        )
        scores.append(model.score(asked, test.labels))
    return float(np.mean(scores))


def _draw(labels: Sequence[str], random: np.random.Generator) -> list[int]:
    """Positions of SHOTS texts of every class."""
    drawn: list[int] = []
    for label in sorted(set(labels)):
        positions = np.flatnonzero(np.asarray(labels) == label)
        drawn += random.permutation(positions)[:SHOTS].tolist()
    return drawn


SCORERS: dict[str, Callable[[Encoder, Meta, str | None], float]] = {
    "sts": _spearman,
    "pair_classification": _average_precision,
    "bitext": _mine,
    "classification": _classify,
}
"""By type of set: encoder, set and instruction to its metric."""

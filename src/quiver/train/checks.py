"""Checks after training: that a model changed, is what was trained, and still tells things apart.

All are measured on the saved folder through the serving path: whoever loads it gets what was checked.
"""

from collections.abc import Sequence

import numpy as np

from quiver.embedder import Embedder
from quiver.errors import QuiverError
from quiver.reranker import Reranker
from quiver.results import Floats
from quiver.text.prompts import DEFAULT_INSTRUCTION
from quiver.train.rows import TrainingRow
from quiver.train.scores import RerankingSet, RetrievalSet

PROBES = 64

LEAST_MOVE = 1e-6
LEAST_SPREAD = 1e-3
MOST_LOST_BY_SAVING = 0.02
"""What rounding to bfloat16 may change where training changed little ..."""
LOST_SHARE = 0.1
"""... and of training's own move where it changed much; a lost adapter loses that move."""
ROUNDINGS = 1.5
"""A network that multiplied in bfloat16 may differ so many times as far as the folder does from itself."""


class TrainingError(QuiverError):
    """Training ended with a model that must not be used."""


def serving_score(model: Embedder | Reranker, rows: Sequence[TrainingRow]) -> float:
    """nDCG@10 on rows: every query against all their documents, or for a reranker each row's own."""
    if isinstance(model, Reranker):
        pairs = RerankingSet(rows)
        return pairs.score(_log_odds(model, pairs.pairs))
    texts = RetrievalSet(rows)
    documents = np.asarray(model.encode_document(texts.documents, show_progress_bar=False))
    return texts.score(_query_vectors(model, texts.queries), documents)


def probe(model: Embedder | Reranker, rows: Sequence[TrainingRow]) -> Floats:
    """What a model says of some rows: vectors of queries [n, E], or chances of yes [2 n, 1].

    A reranker is asked of each query with its own document and with another row's.
    """
    probes = rows[:PROBES]
    if isinstance(model, Embedder):
        return _query_vectors(model, probes)
    pairs = [(row, row.positives[0]) for row in probes]
    pairs += [(row, probes[place - 1].positives[0]) for place, row in enumerate(probes)]
    chances: Floats = np.asarray(1 / (1 + np.exp(-_log_odds(model, pairs))), np.float32)
    return chances[:, None]


def spread(found: Floats) -> float:
    """How unlike the answers to different probes are: mean distance of vectors or chances from their mean."""
    return distance(found, found.mean(axis=0))


def distance(some: Floats, others: Floats) -> float:
    """How far answers [n, E] to the same probes lie apart in the mean, or all of them from one [E]."""
    return float(np.linalg.norm(some - others, axis=1).mean())


def check_moved(before: Floats, after: Floats) -> float:
    """How far answers moved in the mean; raises TrainingError if they did not, or are no numbers."""
    if not np.isfinite(after).all():
        raise TrainingError("the trained model gives results that are not finite; lower the learning rate")
    moved = distance(after, before)
    if moved < LEAST_MOVE:
        raise TrainingError("training changed nothing that is saved; raise the learning rate or the steps")
    return moved


def check_spread(found: Floats) -> float:
    """The spread of answers; raises TrainingError if all became one."""
    width = spread(found)
    if len(found) > 1 and width < LEAST_SPREAD:
        raise TrainingError(
            f"the trained model answers everything alike (spread {width:.1e}): it has collapsed; lower the "
            "learning rate, or give rows with negatives"
        )
    return width


def check_saved(trained: Floats, saved: Floats, moved: float, rounding: float = 0.0) -> None:
    """Raise TrainingError unless the saved folder answers as the network in memory did.

    ``rounding`` is how far the folder's own answers move in the precision that the network was asked in.
    """
    lost = distance(trained, saved)
    most = max(MOST_LOST_BY_SAVING, LOST_SHARE * moved) + ROUNDINGS * rounding
    if lost > min(most, max(moved / 2, LEAST_SPREAD)):
        raise TrainingError(
            f"the saved folder does not answer as the trained network does (they differ by {lost:.1e}, "
            f"training moved by {moved:.1e}): weights or an adapter did not reach it"
        )


def _query_vectors(embedder: Embedder, rows: Sequence[TrainingRow]) -> Floats:
    """By instruction, since rows without one take the model's own prompt."""
    vectors = np.empty((len(rows), embedder.embedding_dim), np.float32)
    for instructed in (False, True):
        places = [place for place, row in enumerate(rows) if (row.instruction is not None) == instructed]
        if places:
            vectors[places] = embedder.encode_query(
                [rows[place].query for place in places],
                instruction=[rows[place].instruction or "" for place in places] if instructed else None,
                show_progress_bar=False,
            )
    return vectors


def _log_odds(reranker: Reranker, pairs: Sequence[tuple[TrainingRow, str]]) -> Floats:
    scores = reranker.predict(
        [(row.query, text) for row, text in pairs],
        instruction=[row.instruction or DEFAULT_INSTRUCTION for row, _ in pairs],
        show_progress_bar=False,
    )
    return scores.log_odds

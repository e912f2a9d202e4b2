"""Scores by task, their means as the published tables define them, and how sure a mean is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from quiver.evaluate.interval import Interval
from quiver.evaluate.published.tables import MEAN_BY_TASK, MEAN_BY_TYPE
from quiver.results import Floats

RESAMPLES = 1000
SEED = 42
CONFIDENCE = 95
"""Percent of the resamples that an interval holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskScore:
    """What one system scored on one task, between 0 and 1 (p-MRR between -1 and 1)."""

    task: str
    type: str
    """The type of task in mteb's words, such as ``Retrieval``."""
    score: float
    """The main score: the mean over the task's parts (splits, languages)."""
    by_query: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """By part, the score of each query, whose mean is the part's; empty where queries have no score."""


def mean(scores: Sequence[TaskScore], measure: str) -> float:
    """The mean by task, the mean by type of the types' means, or the mean of the tasks of one type.

    NaN if no score counts.
    """
    return float(_mean([(score.type, np.asarray([score.score])) for score in scores], measure)[0])


def interval(scores: Sequence[TaskScore], measure: str) -> Interval | None:
    """Where the mean lies by resampling queries; None if the queries of some task have no scores."""
    counted = [score for score in scores if measure in (MEAN_BY_TASK, MEAN_BY_TYPE, score.type)]
    if not counted or not all(score.by_query for score in counted):
        return None
    chance = np.random.default_rng(SEED)
    samples = _mean([(score.type, _resampled(score.by_query, chance)) for score in counted], measure)
    return _around(mean(scores, measure), samples)


def paired_interval(before: TaskScore, after: TaskScore) -> Interval | None:
    """Where ``after - before`` lies by resampling the queries of both alike; None unless they share them."""
    parts = before.by_query
    if not parts or {part: set(own) for part, own in parts.items()} != {
        part: set(own) for part, own in after.by_query.items()
    }:
        return None
    changes = {
        part: {query: after.by_query[part][query] - score for query, score in own.items()}
        for part, own in parts.items()
    }
    return _around(after.score - before.score, _resampled(changes, np.random.default_rng(SEED)))


def _around(value: float, samples: Floats) -> Interval:
    """A number with the middle 95 % of its resamples [R]."""
    tail = (100 - CONFIDENCE) / 2
    low, high = np.percentile(samples, [tail, 100 - tail])
    return Interval(value, float(low), float(high))


def _mean(scores: Sequence[tuple[str, Floats]], measure: str) -> Floats:
    """Means [R] of scores [R] by their types."""
    if measure == MEAN_BY_TYPE:
        kinds = dict.fromkeys(kind for kind, _ in scores)
        counted = [_mean(scores, kind) for kind in kinds]
    else:
        counted = [score for kind, score in scores if measure in (MEAN_BY_TASK, kind)]
    if not counted:
        return np.asarray([np.nan])
    found: Floats = np.mean(counted, axis=0)
    return found


def _resampled(parts: Mapping[str, Mapping[str, float]], chance: np.random.Generator) -> Floats:
    """The task's mean [R], each time over queries drawn anew from each part."""
    means = []
    for queries in parts.values():
        values = np.asarray(list(queries.values()))
        drawn = [values[chance.integers(len(values), size=len(values))].mean() for _ in range(RESAMPLES)]
        means.append(drawn)
    found: Floats = np.mean(means, axis=0)
    return found

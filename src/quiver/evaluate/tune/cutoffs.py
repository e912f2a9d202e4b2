"""Cut-offs: precision and recall of what scores at least so much, and how sure they are.

Pairs of one query hang together, so that queries are resampled, not pairs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from quiver.evaluate.interval import Interval
from quiver.evaluate.report.tables import Column, Table
from quiver.evaluate.tune.halves import CONFIDENCE, ONE_SIDED, Indices, Values, resampled


@dataclass(frozen=True, slots=True)
class Goal:
    """The best F1, or the best recall where the precision is surely as high as wanted."""

    precision: float | None = None


@dataclass(frozen=True, slots=True)
class Pairs:
    """Judged pairs [P] of ``count`` queries."""

    queries: Indices
    """The number of each pair's query."""
    odds: Values
    relevant: npt.NDArray[np.bool_]
    count: int

    def of(self, queries: Indices) -> "Pairs":
        """The pairs of some queries, which are numbered anew."""
        renumbered = np.full(self.count, -1)
        renumbered[queries] = np.arange(len(queries))
        own = renumbered[self.queries]
        kept = own >= 0
        return Pairs(own[kept], self.odds[kept], self.relevant[kept], len(queries))


@dataclass(frozen=True, slots=True)
class Cutoffs:
    """Pairs seen from every possible cut-off."""

    pairs: Pairs

    def best(self, goal: Goal) -> float | None:
        """The cut-off, in log-odds, that meets the goal best; None if none meets it."""
        from sklearn.metrics import precision_recall_curve

        if not self.pairs.relevant.any():
            return None
        precision, recall, odds = precision_recall_curve(self.pairs.relevant, self.pairs.odds)
        precision, recall = precision[:-1], recall[:-1]
        kept = np.maximum(recall * self.pairs.relevant.sum() / np.maximum(precision, 1e-12), 1)
        if goal.precision is None:
            return _between(odds, int(np.argmax(precision * recall / np.maximum(precision + recall, 1e-12))))
        enough = np.flatnonzero((recall > 0) & (_surely(precision, kept) >= goal.precision))
        return _between(odds, int(enough[np.argmax(recall[enough])])) if len(enough) else None

    def precision(self, cutoff: float, confidence: float = CONFIDENCE) -> Interval:
        """Share of what is kept that is relevant."""
        hits, kept, _ = self._counts(cutoff)
        return resampled([hits, kept], _ratio, confidence)

    def recall(self, cutoff: float) -> Interval:
        """Share of the relevant candidates that is kept."""
        hits, _, relevant = self._counts(cutoff)
        return resampled([hits, relevant], _ratio)

    def f1(self, cutoff: float) -> Interval:
        """Harmonic mean of both."""
        return resampled(self._counts(cutoff), _f1)

    def gain_in_f1(self, cutoff: float, other: float) -> Interval:
        """How much better one cut-off is than another."""
        samples = [*self._counts(cutoff), *self._counts(other)]
        return resampled(samples, lambda a, b, c, d, e, f, axis=-1: _f1(a, b, c, axis) - _f1(d, e, f, axis))

    def _counts(self, cutoff: float) -> tuple[Values, Values, Values]:
        """By query: relevant pairs kept, pairs kept, relevant pairs [Q]."""
        kept = self.pairs.odds >= cutoff
        weights = (kept & self.pairs.relevant, kept, self.pairs.relevant)
        hits, all_kept, relevant = (
            np.bincount(self.pairs.queries, each, self.pairs.count).astype(np.float64) for each in weights
        )
        return hits, all_kept, relevant


def table_of_cutoffs(pairs: Pairs, odds: Sequence[float], scores: Sequence[float]) -> Table:
    """Precision and recall with their intervals at some cut-offs, and at a few between."""
    shown = dict(zip(scores, odds, strict=True))
    for quantile in np.quantile(pairs.odds, [0.1, 0.25, 0.5, 0.75, 0.9, 0.97]).tolist():
        shown.setdefault(float(np.exp(-np.logaddexp(0.0, -quantile))), quantile)
    names = ("precision", "recall", "F1")
    columns = [Column("cut-off", ".4f"), Column("log-odds", "+.2f")]
    for name in names:
        columns += [Column(name, ".1%"), Column("from", ".1%"), Column("to", ".1%")]
    found = Cutoffs(pairs)
    rows = []
    for score in sorted(shown):
        cutoff = shown[score]
        measured = (found.precision(cutoff), found.recall(cutoff), found.f1(cutoff))
        rows.append((score, cutoff, *(end for each in measured for end in (each.mean, each.low, each.high))))
    note = (
        "On the half of the queries that had no part in the choice; ends: 95 % of resamples of the queries."
    )
    return Table("Cut-offs", columns, rows, note)


def _surely(share: Values, count: Values) -> Values:
    """Wilson's lower bound of a share among so many, which holds in 95 % of cases."""
    spread = np.sqrt(share * (1 - share) / count + (ONE_SIDED / (2 * count)) ** 2)
    bound: Values = (share + ONE_SIDED**2 / (2 * count) - ONE_SIDED * spread) / (1 + ONE_SIDED**2 / count)
    return bound


def _between(odds: Values, place: int) -> float:
    """Half way to the next lower score, so that rounding does not lose the pair itself."""
    return float(odds[place]) if place == 0 else float((odds[place - 1] + odds[place]) / 2)


def _ratio(part: Values, whole: Values, axis: int = -1) -> Values:
    total = whole.sum(axis=axis)
    share: Values = np.where(total > 0, part.sum(axis=axis) / np.maximum(total, 1), 0.0)
    return share


def _f1(hits: Values, kept: Values, relevant: Values, axis: int = -1) -> Values:
    return _ratio(2 * hits, kept + relevant, axis)

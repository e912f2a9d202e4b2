"""Calibration: of documents that score 0.8, are eight in ten relevant? And the curve that makes it so."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from quiver.evaluate.report.charts import Axis, Figure, Point, PointChart, Series
from quiver.evaluate.report.tables import Column, Table
from quiver.evaluate.tune.cutoffs import Pairs
from quiver.evaluate.tune.halves import Values

BINS = 10
"""Of equally many pairs."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Probability of relevance from log-odds: a straight line in log-odds."""

    slope: float
    offset: float

    def probabilities(self, odds: Values) -> Values:
        """What scores mean."""
        return _logistic(self.slope * odds + self.offset)

    def words(self, pairs: Pairs) -> str:
        """How far scores and calibrated scores are from the truth on pairs that the curve has not seen."""
        raw, own = (
            _error(pairs.relevant, found) for found in (_logistic(pairs.odds), self.probabilities(pairs.odds))
        )
        return (
            f"Scores are off by {raw:.3f} on average as probabilities of relevance; "
            f"1 / (1 + exp(-({self.slope:.3f} * log_odds {self.offset:+.3f}))) is off by {own:.3f}."
        )


def calibrate(pairs: Pairs) -> Calibration:
    """Fit the curve by logistic regression (Platt)."""
    from sklearn.linear_model import LogisticRegression

    if pairs.relevant.all() or not pairs.relevant.any():
        return Calibration(1.0, 0.0)
    spread = float(pairs.odds.std()) or 1.0
    fitted = LogisticRegression(max_iter=1000).fit((pairs.odds / spread).reshape(-1, 1), pairs.relevant)
    return Calibration(float(fitted.coef_[0, 0]) / spread, float(fitted.intercept_[0]))


def reliability(pairs: Pairs, calibration: Calibration) -> Sequence[Figure]:
    """Scores, and calibrated scores, beside the share that is relevant."""
    kinds = {"score": _logistic(pairs.odds), "calibrated score": calibration.probabilities(pairs.odds)}
    series: list[Series] = []
    rows = []
    for name, found in kinds.items():
        points = list(_bins(pairs.relevant, found))
        series.append(Series(name, [point for point, _ in points]))
        rows += [(name, float(count), p.x, p.y, p.low, p.high) for p, count in points]
    columns = [Column("kind"), Column("pairs", ".0f"), Column("mean score", ".3f"), Column("relevant", ".3f")]
    columns += [Column("from", ".3f"), Column("to", ".3f")]
    figure = Figure(
        title="Reliability of the scores",
        chart=PointChart(
            Axis("mean score of the group", form=".2f", ticks=(0, 0.25, 0.5, 0.75, 1)),
            Axis("share that is relevant", form=".2f", ticks=(0, 0.25, 0.5, 0.75, 1)),
            series,
            diagonal=True,
        ),
        caption="Groups of equally many pairs of the second half. On the broken line a score is the "
        "probability that the document is relevant. Bars: Wilson's 95 % interval.",
        table=Table("Reliability", columns, rows),
    )
    return [figure]


def _bins(relevant: npt.NDArray[np.bool_], found: Values) -> Iterator[tuple[Point, int]]:
    """Groups of neighbours in score, with the share that is relevant."""
    from scipy.stats import binomtest

    for own in np.array_split(np.argsort(found, kind="stable"), min(BINS, len(found))):
        hits = int(relevant[own].sum())
        ends = binomtest(hits, len(own)).proportion_ci(method="wilson")
        point = Point(float(found[own].mean()), hits / len(own), float(ends.low), float(ends.high))
        yield point, len(own)


def _error(relevant: npt.NDArray[np.bool_], found: Values) -> float:
    """Expected calibration error: the mean distance of the groups from the truth."""
    bins = list(_bins(relevant, found))
    return sum(count * abs(point.x - point.y) for point, count in bins) / sum(count for _, count in bins)


def _logistic(odds: Values) -> Values:
    squashed: Values = np.exp(-np.logaddexp(0.0, -odds))
    return squashed

"""Dims: the fewest values a vector and the narrowest arithmetic that stay within a stated loss.

Shorter vectors are beginnings of longer ones, so each precision embeds everything once.
"""

import json
import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from quiver.errors import InputError
from quiver.evaluate.extra import check_installed
from quiver.evaluate.ranking import RankingTask
from quiver.evaluate.report.charts import Axis, Figure, Point, PointChart, Series
from quiver.evaluate.report.tables import Column, Table
from quiver.evaluate.systems import Encoder
from quiver.evaluate.tune.advice import Advice, Verdict, few_words, too_few
from quiver.evaluate.tune.halves import (
    BOUND,
    ONE_SIDED,
    Indices,
    Values,
    halve,
    interval,
    queries_needed,
    share_repeated,
    standard_error,
)
from quiver.evaluate.vectors import Embedding, cut_to

SHORTEST = 32
"""Values of the shortest vector that is tried without being asked for."""
FLOAT_BYTES = 4
USUAL_PRECISION = "auto"
"""What needs not be said."""


@dataclass(frozen=True, slots=True)
class DimsChoice:
    """Length of the vectors, and the precision that computes them."""

    precision: str
    dimension: int
    seconds: float
    """For embedding all texts in that precision."""

    @property
    def name(self) -> str:
        """What tables call it."""
        return f"{self.dimension} values, {self.precision}"


def tune_dims(
    labels: RankingTask,
    embedders: Mapping[str, Encoder],
    *,
    dimensions: Sequence[int] = (),
    loss: float = 0.02,
    model: str | None = None,
    show_progress_bar: bool | None = None,
) -> Advice[DimsChoice]:
    """Find the smallest vectors whose quality is close to that of the whole ones.

    Args:
        labels: queries, documents and which answers which.
        embedders: by precision (the ``dtype`` of ``Embedder``); the first, at full length, is the measure.
        dimensions: lengths to try; without any, halves of the full length down to 32.
        loss: share of the quality that may be lost.
        model: the model's name, for the configuration lines.
        show_progress_bar: None shows bars if standard error is a terminal.

    Raises InputError for dimensions that the vectors do not have.
    """
    check_installed()
    if not 0 < loss < 1:
        raise InputError(f"the loss must be a share between 0 and 1, not {loss}")
    choices, rows = [], []
    for precision, embedder in embedders.items():
        for choice, values in _measured(labels, precision, embedder, dimensions, show_progress_bar):
            choices.append(choice)
            rows.append(values)
    smallest_first = sorted(range(len(choices)), key=lambda i: (choices[i].dimension, choices[i].seconds))
    decision = _Decision(
        [choices[i] for i in smallest_first],
        np.asarray(rows)[smallest_first],
        smallest_first.index(0),
        loss,
        list(embedders),
    )
    return decision.advice(labels, model)


def _measured(
    labels: RankingTask,
    precision: str,
    embedder: Encoder,
    dimensions: Sequence[int],
    show_progress_bar: bool | None,
) -> list[tuple[DimsChoice, list[float]]]:
    """One precision at each length, the full one first: the metric of each query."""
    begun = time.monotonic()
    vectors = labels.embed(Embedding(embedder, show_progress_bar=show_progress_bar))
    seconds = time.monotonic() - begun
    whole = vectors["documents"].shape[1]
    found = []
    for dimension in (whole, *sorted({*(dimensions or _halves(whole))} - {whole}, reverse=True)):
        scores = labels.measure_queries(labels.ranked_by_vectors(cut_to(vectors, dimension)))
        choice = DimsChoice(precision, dimension, seconds)
        found.append((choice, [scores[query] for query in labels.query_ids]))
    return found


def _halves(whole: int) -> list[int]:
    found = []
    while whole // 2 >= SHORTEST:
        whole //= 2
        found.append(whole)
    return found


@dataclass(frozen=True, slots=True)
class _Decision:
    choices: Sequence[DimsChoice]
    """The smallest first."""
    values: Values
    """The metric of each query [S, Q]."""
    full: int
    loss: float
    precisions: Sequence[str]

    def pick(self, queries: Indices) -> int:
        """The smallest choice that surely loses no more than is allowed, on these queries."""
        allowed = self.loss * float(self.values[self.full, queries].mean())
        for place in range(len(self.choices)):
            lost = self.lost(place)[queries]
            if place == self.full or lost.mean() + ONE_SIDED * standard_error(lost) <= allowed:
                return place
        return self.full

    def lost(self, place: int) -> Values:
        """What each query loses [Q]."""
        difference: Values = self.values[self.full] - self.values[place]
        return difference

    def advice(self, labels: RankingTask, model: str | None) -> Advice[DimsChoice]:
        """Choose on one half of the queries, check on the other."""
        verdict, reason = self._verdict()
        if too_few(labels):
            verdict, reason = Verdict.UNCLEAR, few_words(labels)
        place = self.pick(halve(self.values.shape[1])[0]) if verdict is Verdict.HOLDS else self.full
        best = self.choices[place]
        table = self._table(labels.meta.metric)
        return Advice(
            title="Dimension and precision",
            value=best,
            recommended=best.name,
            verdict=verdict,
            reason=reason,
            python=_python(best, model),
            shell=_shell(best, model),
            table=table,
            figures=[self._figure(labels.meta.metric, table)],
        )

    def _verdict(self) -> tuple[Verdict, str]:
        first, second = halve(self.values.shape[1])
        place = self.pick(first)
        if place == self.full:
            return self._nothing_smaller()
        quality = float(self.values[self.full, second].mean()) or 1.0
        lost = interval(self.lost(place)[second] / quality, BOUND)
        repeated = share_repeated(self.pick, self.values.shape[1], place)
        words = (
            f"Chosen on half of the queries: {self.choices[place].name}. On the other {len(second):,} "
            f"queries it loses {lost.mean:.1%} of the quality, and at most {lost.high:.1%} with 95 % "
            f"confidence, where {self.loss:.1%} may be lost; {repeated:.0%} of other halves choose the same."
        )
        if lost.high <= self.loss:
            return Verdict.HOLDS, words
        return (Verdict.DEFAULT if lost.low > self.loss else Verdict.UNCLEAR), words

    def _nothing_smaller(self) -> tuple[Verdict, str]:
        """Either everything smaller loses too much, or these queries cannot show that it does not."""
        quality = float(self.values[self.full].mean()) or 1.0
        for place in range(self.full):
            lost = self.lost(place) / quality
            if lost.mean() <= self.loss:
                needed = queries_needed(lost, self.loss - float(lost.mean()))
                return Verdict.UNCLEAR, (
                    f"{self.choices[place].name} seems to lose {lost.mean():.1%}, but half of the "
                    f"queries cannot show that it is less than {self.loss:.1%}; about "
                    f"{needed:,} labelled queries could."
                )
        return Verdict.DEFAULT, f"Everything smaller loses more than {self.loss:.1%} of the quality."

    def _table(self, metric: str) -> Table:
        columns = [Column("setting"), Column("bytes a vector", ".0f"), Column(metric, ".4f")]
        columns += [Column("loss", ".1%"), Column("at most", ".1%"), Column("seconds to embed", ".1f")]
        quality = float(self.values[self.full].mean()) or 1.0
        rows = []
        for place in range(len(self.choices) - 1, -1, -1):
            choice, lost = self.choices[place], interval(self.lost(place) / quality, BOUND)
            size = float(FLOAT_BYTES * choice.dimension)
            score = float(self.values[place].mean())
            rows.append((choice.name, size, score, lost.mean, lost.high, choice.seconds))
        note = "On all queries; “at most” holds with 95 % confidence."
        return Table("Dimension and precision", columns, rows, note)

    def _figure(self, metric: str, table: Table) -> Figure:
        curves = []
        for precision in self.precisions:
            points = []
            for place, choice in enumerate(self.choices):
                if choice.precision == precision:
                    own = interval(self.values[place])
                    points.append(Point(choice.dimension, own.mean, own.low, own.high))
            curves.append(Series(precision, points))
        ticks = sorted({float(choice.dimension) for choice in self.choices})
        return Figure(
            title=f"Quality by dimension: {metric}",
            chart=PointChart(
                Axis("values a vector", logarithmic=True, form=".0f", ticks=ticks), Axis(metric), curves
            ),
            caption="Bars: 95 % of resamples of the queries. The losses in the table are surer than the "
            "bars, since they compare each query with itself.",
            table=table,
        )


def _python(choice: DimsChoice, model: str | None) -> str:
    arguments = [json.dumps(model, ensure_ascii=False)] if model else []
    if choice.precision != USUAL_PRECISION:
        arguments.append(f'dtype="{choice.precision}"')
    return f"Embedder({', '.join([*arguments, f'truncate_dim={choice.dimension}'])})"


def _shell(choice: DimsChoice, model: str | None) -> str:
    options = ["--model", shlex.quote(model)] if model else []
    if choice.precision != USUAL_PRECISION:
        options += ["--dtype", choice.precision]
    return " ".join(["quiver embed", *options, f"--dim {choice.dimension} --input corpus.jsonl"])

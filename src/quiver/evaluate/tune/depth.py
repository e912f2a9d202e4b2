"""Depth: how many candidates are worth a reranker's time."""

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from quiver.errors import InputError
from quiver.evaluate.extra import check_installed
from quiver.evaluate.ranking import RankingTask
from quiver.evaluate.report.charts import Axis, Figure, Point, PointChart, Series
from quiver.evaluate.report.tables import Column, Table
from quiver.evaluate.systems import Encoder, PairScorer, RerankStage
from quiver.evaluate.tune.advice import Advice, Verdict, judged_gain
from quiver.evaluate.tune.candidates import first_ranking, judge
from quiver.evaluate.tune.halves import Indices, Values, choose_and_check, interval, standard_error

USUAL_DEPTHS = (5, 10, 20, 50, 100)
SLOWEST = 95
"""Percentile of the queries' times that a latency is held against."""


def tune_depth(
    labels: RankingTask,
    embedder: Encoder,
    reranker: PairScorer,
    *,
    depths: Sequence[int] = USUAL_DEPTHS,
    latency_ms: float | None = None,
    model: str | None = None,
    show_progress_bar: bool | None = None,
) -> Advice[int]:
    """Find how many candidates to rerank.

    Args:
        labels: queries, documents and which answers which.
        embedder: finds the candidates.
        reranker: scores each of them once, down to the greatest depth.
        depths: how many candidates to try; none (0) is always tried, and the default.
        latency_ms: reranking's time that 95 % of the queries must keep; None is any.
        model: the reranker's name, for the configuration lines.
        show_progress_bar: None shows bars if standard error is a terminal.
    """
    check_installed()
    if not depths or min(depths) < 1:
        raise InputError("depths must be numbers of candidates from 1 on")
    tried = sorted({*depths})
    ranking = first_ranking(labels, embedder, show_progress_bar)
    judged = judge(labels, ranking, reranker, tried, show_progress_bar)
    rows = [labels.measure_queries(ranking)]
    for depth in tried:
        stage = RerankStage(name="reranker", model=judged, top=depth)
        rows.append(labels.measure_queries(labels.reranked(ranking, stage, show_progress_bar=False)))
    values = np.asarray([[row[query] for query in labels.query_ids] for row in rows])
    # The first query pays for the model's first touch of its memory.
    timed = 1000 * np.asarray(judged.seconds[1:] or judged.seconds).T
    milliseconds = np.vstack([np.zeros(timed.shape[1]), timed])
    decision = _Decision((0, *tried), values, milliseconds, latency_ms)
    return decision.advice(labels, model)


@dataclass(frozen=True, slots=True)
class _Decision:
    depths: Sequence[int]
    values: Values
    """The metric of each query [S, Q]."""
    milliseconds: Values
    """Reranking's time of each timed query [S, Q or Q - 1]."""
    latency_ms: float | None

    @property
    def affordable(self) -> list[int]:
        """Places of the depths that keep the latency."""
        slow = np.percentile(self.milliseconds, SLOWEST, axis=1)
        return [i for i in range(len(self.depths)) if self.latency_ms is None or slow[i] <= self.latency_ms]

    def pick(self, queries: Indices) -> int:
        """The least depth that these queries do not tell from the best one, by one standard error."""
        best = max(self.affordable, key=lambda place: float(self.values[place, queries].mean()))
        for place in self.affordable:
            behind = self.values[best, queries] - self.values[place, queries]
            if behind.mean() <= (standard_error(behind) if place != best else 0.0):
                return place
        return best

    def advice(self, labels: RankingTask, model: str | None) -> Advice[int]:
        """Choose on one half of the queries, check on the other."""
        checked = choose_and_check(self.values, self.pick, default=0)
        names = [self._name(place) for place in range(len(self.depths))]
        verdict, reason = judged_gain(labels, self.values, checked, names, self.affordable)
        place = checked.chosen if verdict is Verdict.HOLDS else 0
        depth = self.depths[place]
        if len(self.affordable) == 1:
            reason = f"No depth that was tried keeps {self.latency_ms:g} ms for {SLOWEST} % of the queries."
        table = self._table(labels.meta.metric)
        return Advice(
            title="How many candidates to rerank",
            value=depth,
            recommended=self._name(place),
            verdict=verdict,
            reason=reason,
            python=_python(depth, model),
            shell=_shell(depth, model),
            table=table,
            figures=[self._figure(labels.meta.metric, table)],
        )

    def _name(self, place: int) -> str:
        return f"rerank the best {self.depths[place]}" if self.depths[place] else "do not rerank"

    def _table(self, metric: str) -> Table:
        columns = [Column("candidates", ".0f"), Column(metric, ".4f"), Column("gain", "+.4f")]
        columns += [Column("from", "+.4f"), Column("to", "+.4f")]
        columns += [Column("ms, median", ",.0f"), Column(f"ms, {SLOWEST} %", ",.0f")]
        rows = []
        for place, depth in enumerate(self.depths):
            gain = interval(self.values[place] - self.values[0])
            median, slow = np.percentile(self.milliseconds[place], [50, SLOWEST])
            score = float(self.values[place].mean())
            rows.append((float(depth), score, gain.mean, gain.low, gain.high, float(median), float(slow)))
        note = "On all queries; the gain over no reranking, and where it lies in 95 % of resamples."
        return Table("Depth, quality and time", columns, rows, note)

    def _figure(self, metric: str, table: Table) -> Figure:
        points = []
        for place in range(len(self.depths)):
            own = interval(self.values[place])
            time = float(np.median(self.milliseconds[place]))
            points.append(Point(time, own.mean, own.low, own.high))
        return Figure(
            title=f"Quality for reranking's time: {metric}",
            chart=PointChart(Axis("milliseconds a query (median)"), Axis(metric), [Series("depths", points)]),
            caption=f"From left to right: {', '.join(map(str, self.depths))} candidates. Bars: 95 % of "
            "resamples of the queries.",
            table=table,
        )


def _python(depth: int, model: str | None) -> str:
    if not depth:
        return "Searcher(index).search(query)"
    named = json.dumps(model, ensure_ascii=False) if model else ""
    return f"Searcher(index, reranker=Reranker({named})).search(query, rerank_top={depth})"


def _shell(depth: int, model: str | None) -> str:
    if not depth:
        return 'quiver search "…"'
    return f'quiver search "…" --reranker {shlex.quote(model or "builtin")} --rerank-top {depth}'

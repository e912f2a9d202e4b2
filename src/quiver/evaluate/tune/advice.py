"""Advice: what to set, how sure that is, and the lines that set it."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from quiver.evaluate.ranking import RankingTask
from quiver.evaluate.report.charts import Figure
from quiver.evaluate.report.page import Page, Section
from quiver.evaluate.report.tables import Table
from quiver.evaluate.tune.halves import FEWEST_QUERIES, Checked, Values, interval, queries_needed

T = TypeVar("T")


class Verdict(StrEnum):
    """How the choice stood its test."""

    HOLDS = "holds on the other half of the queries"
    DEFAULT = "nothing better than the default was found"
    UNCLEAR = "too little data to tell; the default is recommended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice(Generic[T]):
    """A recommendation from labels."""

    title: str
    value: T
    """What is recommended."""
    recommended: str
    """The same in words."""
    verdict: Verdict
    reason: str
    """What was measured, in sentences."""
    python: str
    shell: str
    """Configuration lines."""
    table: Table
    """Every setting that was tried."""
    figures: Sequence[Figure] = ()
    more_tables: Sequence[Table] = ()

    def page(self) -> Page:
        """The advice as a page."""
        advice = Section(
            title=f"Recommended: {self.recommended}",
            words=[f"Confidence: {self.verdict}.", self.reason],
            code=[self.python, self.shell],
        )
        tried = [] if any(figure.table is self.table for figure in self.figures) else [self.table]
        measured = Section(title="Measured", figures=self.figures, tables=[*tried, *self.more_tables])
        return Page(title=self.title, words=(), sections=[advice, measured])


def size_of(labels: RankingTask) -> str:
    """How much there is to judge by."""
    return f"{len(labels.queries):,} labelled queries over {len(labels.documents):,} documents"


def too_few(labels: RankingTask) -> bool:
    """Whether there are too few queries for any choice."""
    return len(labels.queries) < FEWEST_QUERIES


def few_words(labels: RankingTask) -> str:
    """Why there is no choice."""
    return (
        f"There are only {size_of(labels)}; at least {FEWEST_QUERIES} queries are needed to choose and check."
    )


def judged_gain(
    labels: RankingTask, values: Values, checked: Checked, names: Sequence[str], places: Sequence[int]
) -> tuple[Verdict, str]:
    """Verdict on a choice over the default, which is setting 0, and what was found.

    ``values`` [S, Q] are the metric of each query, and ``places`` the settings that may be chosen.
    """
    if too_few(labels):
        return Verdict.UNCLEAR, few_words(labels)
    metric, default = labels.meta.metric, names[0]
    if checked.chosen == 0:
        return _default_chosen(values, names, places, metric)
    words = (
        f"Chosen on half of the queries: {names[checked.chosen]}. On the other {checked.checked_on:,} "
        f"queries it changes {metric} by {checked.gain:+.4f} against {default} (95 % of resamples); "
        f"{checked.repeated:.0%} of other halves choose the same."
    )
    if checked.gain.low > 0:
        return Verdict.HOLDS, words
    if checked.gain.high < 0:
        return Verdict.DEFAULT, words
    return Verdict.UNCLEAR, words + _needed(checked.queries_needed)


def _default_chosen(
    values: Values, names: Sequence[str], places: Sequence[int], metric: str
) -> tuple[Verdict, str]:
    """Either nothing is better over all queries, or what is may be so by luck."""
    best = max(places, key=lambda place: float(values[place].mean()))
    change = values[best] - values[0]
    if change.mean() <= 0:
        return Verdict.DEFAULT, f"Nothing that was tried has a higher {metric} than {names[0]}."
    words = (
        f"Chosen on half of the queries: {names[0]}. Over all queries {names[best]} changes {metric} by "
        f"{interval(change):+.4f} (95 % of resamples), which may be luck."
    )
    return Verdict.UNCLEAR, words + _needed(queries_needed(change))


def _needed(queries: int) -> str:
    return f" About {queries:,} labelled queries would settle a difference of this size." if queries else ""

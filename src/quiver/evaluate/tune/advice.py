"""Advice: what to set, how sure that is, and the lines that set it."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from quiver.evaluate.ranking import RankingTask
from quiver.evaluate.report.charts import Figure
from quiver.evaluate.report.page import Page, Section
from quiver.evaluate.report.tables import Table
from quiver.evaluate.tune.halves import FEWEST_QUERIES, Checked

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


def verdict_of_gain(checked: Checked, default: int, labels: RankingTask) -> Verdict:
    """A choice holds if it gains on the second half with its whole interval above zero."""
    if too_few(labels):
        return Verdict.UNCLEAR
    if checked.chosen == default or checked.gain.high < 0:
        return Verdict.DEFAULT
    return Verdict.HOLDS if checked.gain.low > 0 else Verdict.UNCLEAR


def gain_words(checked: Checked, metric: str, chosen: str, default: str) -> str:
    """What the check of a choice found."""
    words = (
        f"Chosen on half of the queries: {chosen}. On the other {checked.checked_on:,} queries it changes "
        f"{metric} by {checked.gain:+.4f} against {default} (95 % of resamples); {checked.repeated:.0%} of "
        "other halves choose the same."
    )
    if checked.gain.low <= 0 <= checked.gain.high and checked.queries_needed:
        words += f" About {checked.queries_needed:,} labelled queries would settle a difference of this size."
    return words

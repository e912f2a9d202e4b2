"""Comparison: published means beside measured ones, on the tasks that both have, and said so."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from quiver.evaluate.interval import Interval
from quiver.evaluate.published.tables import MEAN_BY_TASK, MEAN_BY_TYPE, Column, Table, TableRow
from quiver.evaluate.published.tasks import published_task_scores, published_tasks
from quiver.evaluate.scores import TaskScore, interval, mean

LONE_TASKS = {"MLDR": {"MultiLongDocRetrieval": "Retrieval"}}
"""Tasks and types of benchmarks that have a column but no published scores by task."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One column of a published row beside what was measured; all numbers in percent."""

    column: Column
    tasks: int
    """How many tasks both means are over."""
    tasks_in_column: int
    measured: float
    published: float | None
    """The table's number if every task of the column was measured; else the mean of the published scores of
    the measured tasks, or None where those are unknown."""
    difference: float | None
    """Measured minus published."""
    uncertainty: Interval | None
    """Where the difference lies, were the measured queries drawn again; None if queries have no scores."""

    @property
    def is_whole(self) -> bool:
        """Whether the published number is the table's own."""
        return self.tasks == self.tasks_in_column


def compare(measured: Sequence[TaskScore], benchmark: str, table: Table, row: TableRow) -> list[Compared]:
    """The benchmark's columns of a published row of which at least one task was measured."""
    found = []
    for column, number in table.by_column(row).items():
        members = _members(column)
        own = [score for score in measured if score.task in members]
        if column.benchmark != benchmark or not own:
            continue
        if len(own) == len(members):
            found.append(_compared(column, own, len(members), float(number)))
        else:
            found.append(_on_shared_tasks(column, own, len(members), row.model))
    return found


def _on_shared_tasks(column: Column, own: Sequence[TaskScore], members: int, model: str) -> Compared:
    known = published_task_scores(column.benchmark, model)
    shared = [score for score in own if score.task in known]
    if not shared:
        return _compared(column, own, members, None)
    theirs = [replace(score, score=known[score.task], by_query={}) for score in shared]
    return _compared(column, shared, members, mean(theirs, column.measure))


def _compared(column: Column, own: Sequence[TaskScore], members: int, published: float | None) -> Compared:
    measured = 100 * mean(own, column.measure)
    around = None if published is None else interval(own, column.measure)
    return Compared(
        column=column,
        tasks=len(own),
        tasks_in_column=members,
        measured=measured,
        published=published,
        difference=None if published is None or math.isnan(measured) else measured - published,
        uncertainty=None
        if around is None or published is None
        else Interval(*(100 * each - published for each in (around.mean, around.low, around.high))),
    )


def _members(column: Column) -> set[str]:
    """The names of the tasks that a column is the mean of."""
    types = LONE_TASKS.get(column.benchmark) or {
        task.name: task.type for task in published_tasks(column.benchmark)
    }
    return {name for name, kind in types.items() if column.measure in (MEAN_BY_TASK, MEAN_BY_TYPE, kind)}

"""Scores in percent by task, their means, and the published tables beside them."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from quiver.cli.tables import Column, write_table
from quiver.cli.target import Target, open_target
from quiver.cli.terminal import one_line

if TYPE_CHECKING:
    from quiver.evaluate.compare import Compared
    from quiver.evaluate.published import Table, TableRow
    from quiver.evaluate.scores import TaskScore

Scores = Mapping[str, "Sequence[TaskScore]"]
"""By system what it scored."""

DEFAULT_EMBEDDER, DEFAULT_RERANKER = "Qwen3-Embedding-0.6B", "Qwen3-Reranker-0.6B"
"""What a model without a row of its own is compared with."""


def write_scores(scores: Scores) -> None:
    """Tasks by type and the means as the published tables define them, a column for each system.

    A mean is there only for systems that have a score on each of its tasks.
    """
    marks = [f"({number})" for number in range(1, len(scores) + 1)]
    columns = [Column("task"), Column("type"), *(Column(mark, align="right") for mark in marks)]
    with open_target(None) as target:
        for mark, system in zip(marks, scores, strict=True):
            target.write(f"{mark} {one_line(system)}\n".encode())
        target.write(b"\n")
        write_table(target, columns, _rows(scores))


def write_compared(scores: Scores, benchmark: str, wanted: Sequence[str]) -> None:
    """Each published row that the systems are to be compared with; says which tasks were not measured."""
    from quiver.evaluate.compare import compare

    with open_target(None) as target:
        for system, own in scores.items():
            for table, row in _published(system, benchmark, wanted):
                found = compare(own, benchmark, table, row)
                if found:
                    target.write(f"\n{one_line(system)} beside {row.model} in {table.title}\n\n".encode())
                    _write_columns(target, found)


def _rows(scores: Scores) -> Iterator[Sequence[str]]:
    from quiver.evaluate.published.tables import MEAN_BY_TASK, MEAN_BY_TYPE
    from quiver.evaluate.scores import mean

    types = dict.fromkeys(score.type for own in scores.values() for score in own)
    by_task = [{score.task: score.score for score in own} for own in scores.values()]
    for kind in types:
        names = dict.fromkeys(score.task for own in scores.values() for score in own if score.type == kind)
        for name in names:
            yield name, kind, *(_percent(own.get(name, math.nan)) for own in by_task)
    for measure in (*types, MEAN_BY_TYPE, MEAN_BY_TASK):
        whole = measure in (MEAN_BY_TYPE, MEAN_BY_TASK)
        label = measure if whole else f"mean of {measure}"
        members = {score.task for own in scores.values() for score in own if whole or score.type == measure}
        means = (
            mean(own, measure) if members <= {s.task for s in own} else math.nan for own in scores.values()
        )
        yield label, f"{len(members)} {'task' if len(members) == 1 else 'tasks'}", *map(_percent, means)


def _published(system: str, benchmark: str, wanted: Sequence[str]) -> "Iterator[tuple[Table, TableRow]]":
    """Rows of the benchmark's table: those asked for, else the system's own, else a default.

    A reranker's is the rerankers' table; an embedder's too, where the benchmark has none of its own.
    """
    from quiver.evaluate.published import published_tables

    own = system.rpartition(" + ")[2]
    reranked = own != system or "rerank" in own.lower()
    tables = {
        table.name: table
        for table in published_tables()
        if any(column.benchmark == benchmark for column in table.columns)
    }
    if reranked or len(tables) == 1:
        table = tables["reranking"]
    else:
        table = next(table for name, table in tables.items() if name != "reranking")
    default = DEFAULT_RERANKER if reranked else DEFAULT_EMBEDDER
    names = wanted or ([own] if table.row(own) is not None else [default])
    yield from ((table, row) for name in names if (row := table.row(name)) is not None)


def _write_columns(target: Target, found: "Sequence[Compared]") -> None:
    columns = [
        Column("column"),
        Column("tasks", align="right"),
        *(Column(name, align="right") for name in ("measured", "published", "difference", "95 %")),
        Column(""),
    ]
    write_table(target, columns, map(_line, found))


def _line(compared: "Compared") -> Sequence[str]:
    note = ""
    if compared.published is None:
        note = "no published scores of single tasks: complete the column to compare it"
    elif not compared.is_whole:
        note = "on the measured tasks only"
    around = compared.uncertainty
    return (
        compared.column.name,
        f"{compared.tasks}/{compared.tasks_in_column}",
        f"{compared.measured:.2f}",
        "–" if compared.published is None else f"{compared.published:.2f}",
        "–" if compared.difference is None else f"{compared.difference:+.2f}",
        "–" if around is None else f"{around.low:+.2f} … {around.high:+.2f}",
        note,
    )


def _percent(score: float) -> str:
    return "–" if math.isnan(score) else f"{100 * score:.2f}"

"""Reports: scores set beside each other by type of task, with their means."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from quiver.evaluate.results import Result


@dataclass(frozen=True, slots=True)
class Row:
    """One set, or the mean of a type of sets, with the scores of the systems that have one."""

    name: str
    metric: str
    scores: Mapping[str, float]
    """By system. A mean is there only for systems that were scored on every set of the type."""


def by_type(results: Sequence[Result]) -> Iterator[Row]:
    """Sets in the order in which their types first appear, each type followed by its mean."""
    for kind in dict.fromkeys(result.type for result in results):
        rows = list(_sets([result for result in results if result.type == kind]))
        yield from rows
        everywhere = set.intersection(*(set(row.scores) for row in rows))
        means = {system: sum(row.scores[system] for row in rows) / len(rows) for system in everywhere}
        yield Row(f"{kind}, {len(rows)} {'set' if len(rows) == 1 else 'sets'}", "mean", means)


def _sets(results: Sequence[Result]) -> Iterator[Row]:
    for name in dict.fromkeys(result.set for result in results):
        own = [result for result in results if result.set == name]
        yield Row(name, own[0].metric, {result.system: result.score for result in own})

"""Published scores by task: what the tables are the means of, so that parts of benchmarks can be compared."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from quiver.evaluate.published.tables import short_name

FILES = {
    "MTEB(Multilingual, v2)": "multilingual.csv",
    "MTEB(eng, v2)": "english.csv",
    "MTEB(cmn, v1)": "chinese.csv",
    "MTEB(Code, v1)": "code.csv",
}
"""Benchmarks whose single scores are known."""

FOLLOW_IR, INSTRUCTED = "FollowIR", "InstructionReranking"
"""FollowIR is the instructed part of the multilingual benchmark."""


@dataclass(frozen=True, slots=True)
class PublishedTask:
    """One task of a benchmark, with what models scored on it."""

    name: str
    type: str
    scores: Mapping[str, float]
    """By model as the tables name it, in percent; models whose score is unknown are absent."""


@cache
def published_tasks(benchmark: str) -> tuple[PublishedTask, ...]:
    """The tasks of a benchmark in its order; none for a benchmark whose single scores are unknown."""
    if benchmark == FOLLOW_IR:
        return tuple(task for task in published_tasks("MTEB(Multilingual, v2)") if task.type == INSTRUCTED)
    if benchmark not in FILES:
        return ()
    text = files(__package__).joinpath("tasks", FILES[benchmark]).read_text("utf-8")
    return tuple(
        PublishedTask(
            name=row.pop("task"),
            type=row.pop("type"),
            scores={model: float(score) for model, score in row.items() if score},
        )
        for row in csv.DictReader(text.splitlines())
    )


def published_task_scores(benchmark: str, model: str) -> dict[str, float]:
    """A model's published score of each task, in percent; empty for an unknown model."""
    wanted = short_name(model)
    return {
        task.name: score
        for task in published_tasks(benchmark)
        for name, score in task.scores.items()
        if name.lower() == wanted
    }

"""Benchmarks by name: mteb's, and the one data set that has a column of its own in the published tables."""

from collections.abc import Sequence
from typing import Any

from quiver.errors import InputError
from quiver.evaluate.extra import need

BENCHMARKS = (
    "MTEB(Multilingual, v2)",
    "MTEB(eng, v2)",
    "MTEB(cmn, v1)",
    "MTEB(Code, v1)",
    "MLDR",
    "FollowIR",
)
"""Those of the published tables."""

MLDR, MLDR_TASK = "MLDR", "MultiLongDocRetrieval"

TABLES_SPLITS = {MLDR_TASK: ["test"], "MultilingualSentiment": ["validation"]}
"""Tasks of which the tables count one split, where mteb runs two."""


def benchmark_name(text: str) -> str | None:
    """The benchmark's own spelling; case and spaces do not count. None if it is no benchmark's name."""
    return {_plain(name): name for name in BENCHMARKS}.get(_plain(text))


def benchmark_tasks(name: str, only: Sequence[str] = ()) -> list[Any]:
    """The benchmark's tasks in its order, or those of them that are named.

    Raises InputError for a task that it does not have.
    """
    mteb = need("mteb")
    tasks = [mteb.get_task(MLDR_TASK)] if name == MLDR else mteb.get_benchmark(name).tasks
    known = {task.metadata.name: task for task in tasks}
    for task, splits in TABLES_SPLITS.items():
        if task in known:
            known[task].filter_eval_splits(splits)
    for task in only:
        if task not in known:
            raise InputError(f"{name} has no task {task!r}; it has {', '.join(known)}")
    return [known[task] for task in (dict.fromkeys(only) if only else known)]


def _plain(text: str) -> str:
    return "".join(text.split()).lower()

"""Timing: contestants take turns, and the median of each counts.

A shared machine disturbs every run; alternating spreads the disturbance, the median leaves out the worst of
it, and only ratios within one run mean anything.
"""

import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from quiver.results import Floats

Task = Callable[[], object]


def median_of_turns(tasks: Mapping[str, Task], rounds: int) -> dict[str, float]:
    """Run the tasks in turns; the median seconds of each."""
    taken: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(rounds):
        for name, task in tasks.items():
            taken[name].append(seconds(task))
    return {name: statistics.median(each) for name, each in taken.items()}


def seconds(task: Task) -> float:
    """How long a task takes."""
    begun = time.perf_counter()
    task()
    return time.perf_counter() - begun


@dataclass(frozen=True, slots=True)
class BatchSize:
    """The batch size that is fastest for a contestant."""

    best: int
    tried: dict[int, float]
    """Seconds by batch size."""
    result: Floats
    """What the contestant found."""

    def __str__(self) -> str:
        tried = ", ".join(f"{size} ({time:.1f} s)" for size, time in self.tried.items())
        return f"{self.best}, the best of {tried}"


def choose_batch_size(run: Callable[[int], Floats], sizes: Iterable[int]) -> BatchSize:
    """Try every batch size once."""
    tried: dict[int, float] = {}
    results: dict[int, Floats] = {}
    for size in sizes:
        begun = time.perf_counter()
        results[size] = run(size)
        tried[size] = time.perf_counter() - begun
    best = min(tried, key=lambda size: tried[size])
    return BatchSize(best, tried, results[best])

"""Timing: contestants take turns, and each keeps its best time.

A shared machine disturbs every run; alternating spreads the disturbance, the best of several is nearest to
the undisturbed time, and only ratios within one run mean anything.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from quiver.results import Floats

Task = Callable[[], object]


def best_of_turns(tasks: Mapping[str, Task], rounds: int) -> dict[str, float]:
    """Run the tasks in turns; the best seconds of each."""
    best = dict.fromkeys(tasks, float("inf"))
    for _ in range(rounds):
        for name, task in tasks.items():
            best[name] = min(best[name], seconds(task))
    return best


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


def matmul_peak(size: int = 3072, rounds: int = 8) -> float:
    """Operations a second of a large float32 matrix product in PyTorch: what this machine can do."""
    import torch

    first, second = torch.rand(size, size), torch.rand(size, size)
    out: Any = torch.empty(size, size)
    best = min(seconds(lambda: torch.mm(first, second, out=out)) for _ in range(rounds))
    return 2 * size**3 / best

"""Timing: contestants take turns, and each keeps its best time.

A shared machine disturbs every run; alternating spreads the disturbance, the best of several is nearest to
the undisturbed time, and only ratios within one run mean anything.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

Task = Callable[[], object]


def best_of_turns(tasks: Mapping[str, Task], rounds: int) -> dict[str, float]:
    """Run every task once unmeasured, then in turns; the best seconds of each."""
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


def best_batch_size(run: Callable[[int], object], sizes: Iterable[int]) -> tuple[int, dict[int, float]]:
    """The batch size that is fastest for a contestant, and the seconds of all that were tried."""
    tried = {size: seconds(lambda size=size: run(size)) for size in sizes}  # type: ignore[misc]
    return min(tried, key=lambda size: tried[size]), tried


def matmul_peak(size: int = 3072, rounds: int = 8) -> float:
    """Operations a second of a large float32 matrix product in PyTorch: what this machine can do."""
    import torch

    first, second = torch.rand(size, size), torch.rand(size, size)
    out: Any = torch.empty(size, size)
    best = min(seconds(lambda: torch.mm(first, second, out=out)) for _ in range(rounds))
    return 2 * size**3 / best

"""Training of what one process can: the rate's course, the steps, and what is told of them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import torch
from tqdm import tqdm

_WARM_STEPS = 40


def rate_share(step: int, steps: int, warm_steps: int) -> float:
    """Give the share of the peak rate: up along a line, down along a cosine."""
    return min(1.0, (step + 1) / warm_steps) * 0.5 * (1 + math.cos(math.pi * step / steps))


def descend(
    optimizer: torch.optim.Optimizer,
    loss_of_step: Callable[[], torch.Tensor],
    *,
    rate: float,
    steps: int,
    label: str,
    tell_steps: int,
) -> None:
    """Take steps at a rate that rises to its highest and falls; tell the mean loss every few of them."""
    told, start = 0.0, time.monotonic()
    for step in tqdm(range(steps), desc=label):
        for options in optimizer.param_groups:
            options["lr"] = rate * rate_share(step, steps, _WARM_STEPS)
        loss = loss_of_step()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        told += loss.item() / tell_steps
        if (step + 1) % tell_steps == 0:
            tqdm.write(f"step {step + 1}, loss {told:.3f}, {time.monotonic() - start:.0f} s")
            told = 0.0

"""Gradient caching: a contrastive batch larger than memory (Gao et al., arXiv:2101.06983, GradCache).

The loss needs all vectors of a batch at once but the network does not: vectors are computed in small parts
without a graph, the loss gives each vector its gradient, and each part runs again with a graph that this
gradient enters. Twice the forward work, the memory of one part.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

import torch
from torch import Tensor

Part = TypeVar("Part")


class _RandomState:
    """Where the random numbers stood, so that dropout is the same when a part runs again."""

    def __init__(self) -> None:
        self._cpu = torch.get_rng_state()
        self._gpus = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []

    def restore(self) -> None:
        torch.set_rng_state(self._cpu)
        if self._gpus:
            torch.cuda.set_rng_state_all(self._gpus)


def backward_in_parts(
    parts: Sequence[Part],
    embed: Callable[[Part], Tensor],
    loss: Callable[[Tensor], Tensor],
    *,
    no_sync: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> Tensor:
    """Add the gradients of ``loss(cat(embed(part) for part in parts))`` to the parameters; returns the loss.

    ``embed`` gives [n, E] of a part. ``no_sync`` is entered for all parts but the last, so that several
    processes exchange gradients once. A single part needs no cache and runs once.
    """
    if len(parts) == 1:
        value = loss(embed(parts[0]))
        value.backward()
        return value.detach()
    vectors, states = [], []
    with torch.no_grad():
        for part in parts:
            states.append(_RandomState())
            vectors.append(embed(part))
    after = _RandomState()
    together = torch.cat(vectors).requires_grad_()
    value = loss(together)
    (gradient,) = torch.autograd.grad(value, together)
    starts = torch.tensor([0] + [len(v) for v in vectors]).cumsum(0).tolist()
    for index, part in enumerate(parts):
        states[index].restore()
        is_last = index == len(parts) - 1
        with nullcontext() if is_last else no_sync():
            found = embed(part)
            (found * gradient[starts[index] : starts[index + 1]]).sum().backward()
    after.restore()
    return value.detach()

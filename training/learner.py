"""Learner: some of a network's matrices under Adam, and the steps that several processes take together.

A run that was stopped goes on from its last checkpoint.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import torch

from descent import rate_share
from network import Network, layer_weight
from optimizer import share_gradients
from stream import CONTENT, HEAD_DIMENSION, HIDDEN
from texts import SEED
from transplant import KEY_CONSTANT, QUERY_CONSTANT, UNITS

_RATE = 1e-3
"""Of a matrix's usual size, a step at the peak"""
_WARM_STEPS = 30
_CHECKPOINT_STEPS, _TELL_STEPS = 50, 10


class Course(Protocol):
    """What a network is taught, batch by batch."""

    def loss(self, generator: random.Random, half: int) -> tuple[torch.Tensor, int]:
        """Give the loss of a batch and its number of tokens; `half`, 0 or 1, says of which kind."""

    def measure(self, name: str) -> None:
        """Print how much is learnt."""


class Learner:
    """Some of the network's matrices under Adam, each at a rate in proportion to its size."""

    def __init__(self, network: Network, matrices: Sequence[tuple[int, str]], file: Path) -> None:
        self.network, self._file, self.step = network, file, 0
        network.model.requires_grad_(False)
        groups = []
        for layer, part in matrices:
            # Contents of the other factor were zero as they were set.
            like = network.weight(layer, "mlp.gate_proj" if part == "mlp.up_proj" else part)
            size = like.detach()[:CONTENT, :CONTENT].square().mean().sqrt().item()
            weight = layer_weight(network.model, layer, part).requires_grad_()
            weight.register_hook(constants_kept(part))
            groups.append({"params": [weight], "peak": _RATE * size})
        self._adam = torch.optim.Adam(groups, betas=(0.9, 0.98), eps=1e-12, fused=True)
        if file.exists():
            kept = torch.load(file, weights_only=True)
            network.model.load_state_dict(kept["model"])
            self._adam.load_state_dict(kept["adam"])
            self.step = kept["step"]

    def update(self, share: float) -> None:
        """Take one step at a share of the peak rates and forget the gradients."""
        for group in self._adam.param_groups:
            group["lr"] = share * group["peak"]
        self._adam.step()
        self._adam.zero_grad()
        self.step += 1

    def save(self) -> None:
        """Write everything that is needed to go on."""
        partial = self._file.with_suffix(".partial")
        torch.save(
            {"model": self.network.model.state_dict(), "adam": self._adam.state_dict(), "step": self.step},
            partial,
        )
        partial.rename(self._file)


def constants_kept(part: str) -> Callable[[torch.Tensor], torch.Tensor]:
    """Give what keeps a matrix's rows that hold constants and marks from learning."""
    rows = {"mlp.gate_proj": UNITS, "mlp.up_proj": UNITS}.get(part, CONTENT)

    def kept(gradient: torch.Tensor) -> torch.Tensor:
        made = gradient.clone()
        made[rows:] = 0
        if part in ("self_attn.q_proj", "self_attn.k_proj"):
            made.view(-1, HEAD_DIMENSION, HIDDEN)[:, [QUERY_CONSTANT, KEY_CONSTANT]] = 0
        return made

    return kept


def take_steps(
    learner: Learner, course: Course, rank: int, arguments: argparse.Namespace, *, peak: float = 1.0
) -> None:
    """Take steps as one of several processes, each with batches of its own; the first saves and tells."""
    if rank == 0:
        course.measure(f"step {learner.step}")
    told, tokens, start = 0.0, 0, time.monotonic()
    while learner.step < arguments.steps:
        turn = learner.step * arguments.processes + rank
        loss, count = course.loss(random.Random(SEED + turn), (learner.step + rank) % 2)
        loss.backward()
        share_gradients(learner.network.model)
        learner.update(peak * rate_share(learner.step, arguments.steps, _WARM_STEPS))
        told, tokens = told + loss.item() / _TELL_STEPS, tokens + count
        if rank == 0 and learner.step % _TELL_STEPS == 0:
            speed = arguments.processes * tokens / (time.monotonic() - start)
            print(f"step {learner.step}, loss {told:.3f}, {speed:,.0f} tokens/s", flush=True)
            told = 0.0
        if rank == 0 and learner.step % _CHECKPOINT_STEPS == 0:
            learner.save()
            course.measure(f"step {learner.step}")

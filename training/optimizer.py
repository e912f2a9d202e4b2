"""One optimizer for a small network: Muon for matrices, Adam for the norms.

Muon (Jordan et al., 2024): momentum made orthogonal by five Newton-Schulz steps. A matrix changes by the same
share of its size whatever that is, for layers deep in the network write in larger numbers.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist

_NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
_MOMENTUM = 0.95
# A matrix of zeros learns as if its values were of this size.
_SMALLEST = 0.02
# Of a normal distribution's absolute values; a few constants may be far larger than all else.
_MEDIAN = 0.6745


def orthogonal(matrix: torch.Tensor, steps: int = 5) -> torch.Tensor:
    """Give about the nearest orthogonal matrix."""
    first, second, third = _NEWTON_SCHULZ
    wide = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix
    found = (wide / (wide.norm() + 1e-7)).bfloat16()
    for _ in range(steps):
        square = found @ found.T
        found = first * found + (second * square + third * square @ square) @ found
    made: torch.Tensor = (found.T if matrix.shape[0] > matrix.shape[1] else found).float()
    return made


def share_gradients(model: torch.nn.Module) -> None:
    """Give every process the mean of all processes' gradients."""
    for value in model.parameters():
        if not value.requires_grad:
            continue
        if value.grad is None:
            value.grad = torch.zeros_like(value)
        dist.all_reduce(value.grad)
        value.grad /= dist.get_world_size()


class Optimizer:
    """Steps matrices by Muon and the rest by Adam, each with its own peak rate."""

    def __init__(self, model: torch.nn.Module, norm_rate: float, matrix_rate: float) -> None:
        named = {name: value for name, value in model.named_parameters() if value.requires_grad}
        norms = [value for value in named.values() if value.ndim == 1]
        self._matrices = {name: value for name, value in named.items() if value.ndim == 2}
        self._rates = {
            name: matrix_rate * max(_SMALLEST, value.abs().median().item() / _MEDIAN)
            for name, value in self._matrices.items()
        }
        self._momentum = {name: torch.zeros_like(value) for name, value in self._matrices.items()}
        groups = [{"params": norms, "peak": norm_rate}]
        self._adam = torch.optim.Adam(groups, betas=(0.9, 0.98), eps=1e-10, fused=True)

    def step(self, share: float) -> None:
        """Take a step at a share of the peak rates and forget the gradients."""
        for group in self._adam.param_groups:
            group["lr"] = share * group["peak"]
        self._adam.step()
        with torch.no_grad():
            for name, value in self._matrices.items():
                if value.grad is None:
                    continue
                momentum = self._momentum[name].mul_(_MOMENTUM).add_(value.grad)
                update = orthogonal(value.grad + _MOMENTUM * momentum)
                value.sub_(update * (share * self._rates[name] * max(value.shape) ** 0.5))
                value.grad = None
        self._adam.zero_grad()

    def state(self) -> dict[str, Any]:
        """Give everything that is needed to go on."""
        return {"adam": self._adam.state_dict(), "momentum": self._momentum}

    def load(self, state: dict[str, Any]) -> None:
        """Go on from a kept state."""
        self._adam.load_state_dict(state["adam"])
        self._momentum = state["momentum"]

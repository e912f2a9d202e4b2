"""Merging: one checkpoint between several of the same shape, by spherical or linear interpolation.

The report merges checkpoints of one run by slerp (section 3.2, "Model Merging"; Li et al., arXiv:2409.17357).
"""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import torch
from safetensors import safe_open
from torch import Tensor

from quiver.errors import CheckpointError, InputError
from quiver.models.checkpoint import Checkpoint, open_checkpoint
from quiver.train.save import DTYPES, save_like

Method = Literal["slerp", "linear"]

NEARLY_PARALLEL = 1e-6
"""Radians below which the arc is its chord."""


def slerp(first: Tensor, second: Tensor, share: float) -> Tensor:
    """The point ``share`` of the way from one tensor to the other, along the arc between their directions.

    slerp(a, b; t) = sin((1 - t) w) / sin(w) a + sin(t w) / sin(w) b, where w is the angle between the tensors
    taken as vectors (Shoemake 1985). Computed in float64; tensors that are nearly parallel, opposite or zero
    are interpolated linearly.
    """
    a, b = first.double().flatten(), second.double().flatten()
    norms = a.norm() * b.norm()
    angle = torch.acos((a @ b / norms).clamp(-1, 1)).item() if norms > 0 else 0.0
    if angle < NEARLY_PARALLEL or math.pi - angle < NEARLY_PARALLEL:
        merged = (1 - share) * a + share * b
    else:
        merged = (math.sin((1 - share) * angle) * a + math.sin(share * angle) * b) / math.sin(angle)
    return merged.reshape(first.shape)


def linear(first: Tensor, second: Tensor, share: float) -> Tensor:
    """(1 - share) first + share second, in float64."""
    return (1 - share) * first.double() + share * second.double()


METHODS: dict[Method, Callable[[Tensor, Tensor, float], Tensor]] = {"slerp": slerp, "linear": linear}


def merge(
    models: Sequence[str | Path],
    out: str | Path,
    *,
    weights: Sequence[float] | None = None,
    method: Method = "slerp",
) -> Path:
    """Write a checkpoint between several: every tensor by itself, in the first one's types; returns ``out``.

    More than two are met one after the other, each with its share of the weight so far; ``weights`` None
    weighs all alike. Everything but the weights comes from the first. Raises InputError for weights that
    cannot be, CheckpointError for different shapes or attention, FileExistsError if ``out`` holds files.
    """
    shares = _shares(len(models), weights)
    checkpoints = [open_checkpoint(model) for model in models]
    for other in checkpoints[1:]:
        _check_alike(checkpoints[0], other)
    folder = Path(out)
    if folder.exists() and any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty: give a new folder")
    merged = {
        name: _merge_tensor(checkpoints, name, shares, METHODS[method]) for name in checkpoints[0].tensors
    }
    save_like(checkpoints[0], merged, folder)
    return folder


def _shares(count: int, weights: Sequence[float] | None) -> list[float]:
    """What each checkpoint adds to the merge of those before it: w_n / (w_1 + ... + w_n)."""
    if count < 2:
        raise InputError("name two checkpoints or more to merge")
    given = [1.0] * count if weights is None else list(weights)
    if (
        len(given) != count
        or min(given) < 0
        or given[0] + given[1] <= 0
        or not all(map(math.isfinite, given))
    ):
        raise InputError(f"{count} checkpoints take {count} weights of at least 0, the first two not both 0")
    return [given[n] / sum(given[: n + 1]) if n else 1.0 for n in range(count)]


def _merge_tensor(
    checkpoints: Sequence[Checkpoint],
    name: str,
    shares: Sequence[float],
    mix: Callable[[Tensor, Tensor, float], Tensor],
) -> Tensor:
    merged = _read(checkpoints[0], name)
    for checkpoint, share in zip(checkpoints[1:], shares[1:], strict=True):
        merged = mix(merged, _read(checkpoint, name), share)
    return merged.to(DTYPES[checkpoints[0].tensors[name].dtype])


def _read(checkpoint: Checkpoint, name: str) -> Tensor:
    entry = checkpoint.tensors[name]
    with safe_open(entry.file, framework="pt") as stored:
        tensor: Tensor = stored.get_tensor(entry.stored_name)
    return tensor


def _check_alike(first: Checkpoint, other: Checkpoint) -> None:
    if first.config.causal != other.config.causal:
        raise CheckpointError(
            f"{first.name} and {other.name} cannot be merged: one attends to what came before, one both ways"
        )
    shapes = [{name: entry.shape for name, entry in c.tensors.items()} for c in (first, other)]
    differing = sorted(n for n in shapes[0].keys() | shapes[1].keys() if shapes[0].get(n) != shapes[1].get(n))
    if differing:
        raise CheckpointError(
            f"{first.name} and {other.name} cannot be merged: {differing[0]} has the shapes "
            f"{shapes[0].get(differing[0])} and {shapes[1].get(differing[0])}"
        )

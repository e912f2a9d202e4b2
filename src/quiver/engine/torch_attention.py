"""Grouped-query attention over packed sequences that may continue kept prefixes.

A row attends to the rows before it in its own sequence (where attention is bidirectional, to all of its
rows) and to all of the prefixes that the sequence continues. Each part is computed alone, with the logarithm
of its softmax denominator, and parts are merged by these: softmax over a union is the average of the
softmaxes over its parts, weighted by their denominators. So a prefix is attended to by all its continuations
in one product without a mask, and nothing is copied.

Letters as in ``engine.base``; M rows of a part.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from quiver.engine.base import Batch
from quiver.models.config import ModelConfig


@dataclass(frozen=True, slots=True, eq=False)
class TorchPrefix:
    """Kept keys and values of one sequence, by layer; those of ``parent`` come before."""

    parent: "TorchPrefix | None"
    length: int
    keys: Sequence[torch.Tensor]
    """per layer [n, G, D]"""
    values: Sequence[torch.Tensor]
    """per layer [n, G, D]"""

    def chain(self) -> "Iterator[TorchPrefix]":
        """This prefix and those it continues."""
        prefix: TorchPrefix | None = self
        while prefix is not None:
            yield prefix
            prefix = prefix.parent


@dataclass(frozen=True, slots=True)
class EqualRun:
    """``count`` neighbouring sequences of ``length`` rows each, from row ``start``."""

    start: int
    count: int
    length: int

    @property
    def rows(self) -> slice:
        """The packed rows of the run."""
        return slice(self.start, self.start + self.count * self.length)


@dataclass(frozen=True, slots=True)
class Layout:
    """Who attends to what in a batch."""

    runs: Sequence[EqualRun]
    prefixes: Sequence[tuple[TorchPrefix, slice]]
    """each kept prefix and the packed rows that attend to it"""

    @classmethod
    def of(cls, batch: Batch) -> "Layout":
        """Group a batch's sequences by length and by prefix."""
        return cls(tuple(_equal_runs(batch)), tuple(_prefix_rows(batch)))


def attend(qkv: torch.Tensor, layout: Layout, layer: int, config: ModelConfig, out: torch.Tensor) -> None:
    """Write to ``out`` [T, H D] the attention of ``qkv`` [T, (H + 2G) D], already normed and rotated."""
    heads, size = config.key_value_heads, config.head_dim
    group = config.query_heads // heads
    query, key, value = qkv.split((config.query_size, config.key_value_size, config.key_value_size), dim=1)
    query = query.unflatten(1, (heads, group, size))
    key, value = key.unflatten(1, (heads, size)), value.unflatten(1, (heads, size))
    out = out.unflatten(1, (heads, group, size))
    merged = torch.empty(0)
    if layout.prefixes:
        merged = torch.empty(query.shape[:3], dtype=torch.float32, device=qkv.device)
    for run in layout.runs:
        rows = run.rows
        part, weight = _attend_part(query[rows], key[rows], value[rows], run.count, causal=config.causal)
        out[rows] = part
        if layout.prefixes:
            merged[rows] = weight
    for prefix, rows in layout.prefixes:
        part, weight = _attend_part(query[rows], prefix.keys[layer], prefix.values[layer], 1, causal=False)
        _merge(out[rows], merged[rows], part, weight)


def _merge(out: torch.Tensor, weight: torch.Tensor, part: torch.Tensor, part_weight: torch.Tensor) -> None:
    """Add a part to ``out`` [M, G, H/G, D] and to its log denominators ``weight`` [M, G, H/G]."""
    share = torch.sigmoid(part_weight - weight).unsqueeze(-1)
    out.lerp_(part, share.to(out.dtype))
    torch.logaddexp(weight, part_weight, out=weight)


def _attend_part(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, count: int, *, causal: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """Attention of ``count`` equal sequences: result [M, G, H/G, D], log denominators [M, G, H/G]."""
    heads, group = query.shape[1:3]
    # each (sequence, key head) becomes one batch entry, so that keys need no copy per query head
    q = query.unflatten(0, (count, -1)).permute(0, 2, 3, 1, 4).flatten(0, 1)
    k, v = (
        t.unflatten(0, (count, -1)).transpose(1, 2).flatten(0, 1).unsqueeze(1).expand(-1, group, -1, -1)
        for t in (key, value)
    )
    attention = _flash_cpu if query.device.type == "cpu" else _blockwise
    part, weight = attention(q, k, v, causal)
    part = part.unflatten(0, (count, heads)).permute(0, 3, 1, 2, 4).flatten(0, 1)
    weight = weight.unflatten(0, (count, heads)).permute(0, 3, 1, 2).flatten(0, 1)
    return part, weight


def _flash_cpu(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, causal: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """PyTorch's CPU kernel; memory linear in length."""
    part, weight = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(q, k, v, 0.0, causal)
    return part, weight


def _blockwise(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, causal: bool, block: int = 1024
) -> tuple[torch.Tensor, torch.Tensor]:
    """The same in plain operations for any device, a block of queries at a time."""
    rows, columns = q.shape[2], k.shape[2]
    parts, weights = [], []
    for start in range(0, rows, block):
        stop = min(start + block, rows)
        visible = stop if causal else columns
        scores = (q[:, :, start:stop] @ k[:, :, :visible].transpose(-1, -2)).float()
        scores /= math.sqrt(q.shape[-1])
        if causal:
            future = torch.ones(stop - start, visible, dtype=torch.bool, device=q.device).triu(start + 1)
            scores.masked_fill_(future, -math.inf)
        weight = torch.logsumexp(scores, dim=-1)
        shares = torch.exp(scores - weight.unsqueeze(-1)).to(v.dtype)
        parts.append(shares @ v[:, :, :visible])
        weights.append(weight)
    return torch.cat(parts, dim=2), torch.cat(weights, dim=2)


def _equal_runs(batch: Batch) -> Iterator[EqualRun]:
    starts = [int(b) for b in batch.boundaries]
    first = 0
    for index in range(1, len(starts)):
        length = starts[first + 1] - starts[first]
        if index == len(starts) - 1 or starts[index + 1] - starts[index] != length:
            yield EqualRun(starts[first], index - first, length)
            first = index


def _prefix_rows(batch: Batch) -> Iterator[tuple[TorchPrefix, slice]]:
    """Neighbours that continue the same prefix, directly or through others, attend to it together."""
    begun: dict[TorchPrefix, int] = {}
    for index, prefix in enumerate([*batch.prefixes, None]):
        start = int(batch.boundaries[index])
        chain = list(prefix.chain()) if isinstance(prefix, TorchPrefix) else []
        for ended in [p for p in begun if p not in chain]:
            yield ended, slice(begun.pop(ended), start)
        for continued in chain:
            begun.setdefault(continued, start)

"""What the teacher's layers compute for texts in the network's own tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch.nn.functional import gelu, layer_norm, scaled_dot_product_attention

from teacher import TEACHER_DIMENSION, Teacher

LAYERS = 12
_HEAD_DIMENSION = 32


@dataclass
class Traces:
    """The teacher's normed sums, before a norm's weight and bias are applied."""

    starts: torch.Tensor
    normed: list[torch.Tensor] = field(default_factory=list)
    """behind each layer's attention and behind its feed-forward part, in turn"""
    spreads: list[torch.Tensor] = field(default_factory=list)
    """by which the norms divided"""


class Source:
    """The teacher's weights in float32."""

    def __init__(self, teacher: Teacher) -> None:
        self.weights = {name: weight.float() for name, weight in teacher.weights.items()}

    def __call__(self, layer: int, part: str) -> torch.Tensor:
        """Give a weight of a layer; matrices are [inputs, outputs]."""
        return self.weights[f"encoder.layer.{layer}.{part}"]

    def norm(self, layer: int, part: str) -> tuple[torch.Tensor, torch.Tensor]:
        """Give a norm's weight and bias; layer -1 is the one before the first layer."""
        whole = f"encoder.layer.{layer}.{part}" if layer >= 0 else "embeddings"
        return self.weights[f"{whole}.LayerNorm.weight"], self.weights[f"{whole}.LayerNorm.bias"]

    def words(self, entries: Sequence[Sequence[int]]) -> torch.Tensor:
        """Give entries' vectors before places are added, each the mean of some of the teacher's."""
        word = self.weights["word"]
        return torch.stack([word[list(numbers)].mean(0) for numbers in entries])

    @torch.no_grad()
    def traced(self, words: torch.Tensor, sizes: Sequence[int]) -> Traces:
        """Run the teacher over texts laid end to end, given their tokens' vectors."""
        places = torch.cat([self.weights["position"][:size] for size in sizes])
        traces = Traces(_normed(words + places))
        states = _affine(traces.starts, self.norm(-1, ""))
        for layer in range(LAYERS):
            joint = states @ self(layer, "qkv") + self(layer, "qkv.bias")
            reads = []
            for part in joint.split(list(sizes)):
                query, key, value = part.view(len(part), 3, -1, _HEAD_DIMENSION).permute(1, 2, 0, 3)
                reads.append(scaled_dot_product_attention(query, key, value).transpose(0, 1).flatten(1))
            states = self._next(traces, layer, "attention.output", states, torch.cat(reads))
            found = states @ self(layer, "intermediate.dense.weight") + self(layer, "intermediate.dense.bias")
            states = self._next(traces, layer, "output", states, gelu(found))
        return traces

    def _next(
        self, traces: Traces, layer: int, part: str, states: torch.Tensor, values: torch.Tensor
    ) -> torch.Tensor:
        change = values @ self(layer, f"{part}.dense.weight") + self(layer, f"{part}.dense.bias")
        traces.normed.append(_normed(states + change))
        traces.spreads.append((states + change).std(1, unbiased=False))
        return _affine(traces.normed[-1], self.norm(layer, part))


def _normed(sums: torch.Tensor) -> torch.Tensor:
    return layer_norm(sums, (TEACHER_DIMENSION,), eps=1e-12)


def _affine(normed: torch.Tensor, norm: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    return normed * norm[0] + norm[1]

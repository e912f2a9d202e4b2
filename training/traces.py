"""What the teacher's layers compute when they see only what came before, with some layers left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch.nn.functional import embedding, gelu, layer_norm, scaled_dot_product_attention

from teacher import TEACHER_DIMENSION, Teacher

LAYERS = (0, 4, 7, 9, 10, 11)
"""The teacher's layers that are kept: the others, left out one by one, cost its vectors least."""

_HEAD_DIMENSION = 32


@dataclass
class Traces:
    """What the teacher's layers computed for some texts, causal and without places: sums before each norm."""

    starts: torch.Tensor
    sums: list[torch.Tensor] = field(default_factory=list)
    states: list[torch.Tensor] = field(default_factory=list)
    inner: list[torch.Tensor] = field(default_factory=list)


class Source:
    """The teacher's weights in float32."""

    def __init__(self, teacher: Teacher) -> None:
        self.weights = {name: weight.float() for name, weight in teacher.weights.items()}

    def __call__(self, layer: int, part: str) -> torch.Tensor:
        """Give a weight of a layer; matrices are [inputs, outputs]."""
        return self.weights[f"encoder.layer.{layer}.{part}"]

    def norm(self, layer: int, part: str) -> tuple[torch.Tensor, torch.Tensor]:
        """Give a norm's weight and bias."""
        return self(layer, f"{part}.LayerNorm.weight"), self(layer, f"{part}.LayerNorm.bias")

    def first_states(self, ids: torch.Tensor) -> torch.Tensor:
        """Give tokens' states before the first layer, at no place in particular."""
        place = self.weights["position"].mean(0)
        named = self.weights["embeddings.LayerNorm.weight"], self.weights["embeddings.LayerNorm.bias"]
        return layer_norm(embedding(ids, self.weights["word"]) + place, (TEACHER_DIMENSION,), *named, 1e-12)

    @torch.no_grad()
    def traced(self, rows: Sequence[Sequence[int]]) -> Traces:
        """Run the kept layers over texts of tokens."""
        sizes = [len(row) for row in rows]
        states = self.first_states(torch.tensor([i for row in rows for i in row]))
        traces = Traces(states)
        for layer in LAYERS:
            joint = states @ self(layer, "qkv") + self(layer, "qkv.bias")
            reads = []
            for part in joint.split(sizes):
                sides = part.view(len(part), 3, -1, _HEAD_DIMENSION).permute(1, 2, 0, 3)
                query, key, value = sides
                read = scaled_dot_product_attention(query, key, value, is_causal=True)
                reads.append(read.transpose(0, 1).flatten(1))
            dense = self(layer, "attention.output.dense.weight"), self(layer, "attention.output.dense.bias")
            states = self._added(
                traces, layer, "attention.output", states, torch.cat(reads) @ dense[0] + dense[1]
            )
            found = states @ self(layer, "intermediate.dense.weight") + self(layer, "intermediate.dense.bias")
            traces.inner.append(gelu(found))
            dense = self(layer, "output.dense.weight"), self(layer, "output.dense.bias")
            states = self._added(traces, layer, "output", states, traces.inner[-1] @ dense[0] + dense[1])
        return traces

    def _added(
        self, traces: Traces, layer: int, part: str, states: torch.Tensor, change: torch.Tensor
    ) -> torch.Tensor:
        traces.sums.append(states + change)
        normed = layer_norm(traces.sums[-1], (TEACHER_DIMENSION,), *self.norm(layer, part), 1e-12)
        traces.states.append(normed)
        return normed

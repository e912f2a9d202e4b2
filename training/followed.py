"""Some texts, followed through the network while its layers are set, beside the teacher's states."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch.nn.functional import scaled_dot_product_attention, silu
from transformers import Qwen3Model

from network import layer_weight, rms_norm, rotated
from stream import BEGUN, CLOSING, FIRST, HEAD_DIMENSION, HEADS, ROTARY_BASE
from traces import Traces

RESTING_WEIGHT = 0.3


@dataclass
class Sample:
    """Texts end to end: the network's states by now, and the teacher's."""

    states: torch.Tensor
    sizes: list[int]
    traces: Traces
    weights: torch.Tensor = field(init=False)
    """How much each token counts: the first and last ones, on which attention rests, less."""
    asked: torch.Tensor = field(init=False)
    """Which texts are queries"""

    def __post_init__(self) -> None:
        resting = (self.states[:, FIRST] + self.states[:, CLOSING]).clamp(max=1)
        self.weights = 1 - (1 - RESTING_WEIGHT) * resting
        self.asked = torch.stack([text[0, BEGUN] for text in self.states.split(self.sizes)]) > 0
        places = torch.cat([torch.arange(float(size)) for size in self.sizes])
        half = HEAD_DIMENSION // 2
        angles = places[:, None, None] * ROTARY_BASE ** (-torch.arange(half) / half)
        self._turns = angles.cos(), angles.sin()

    def run(self, model: Qwen3Model, layer: int, part: str) -> None:
        """Go through the attention (self_attn) or the feed-forward part (mlp) of a layer."""
        if part == "self_attn":
            self.states += self.reads(model, layer) @ layer_weight(model, layer, "self_attn.o_proj").T
        else:
            self.states += self.inner(model, layer) @ layer_weight(model, layer, "mlp.down_proj").T

    def reads(self, model: Qwen3Model, layer: int) -> torch.Tensor:
        """Give what a layer's heads read [tokens, places]."""
        normed = rms_norm(self.states, layer_weight(model, layer, "input_layernorm"))
        sides = []
        for side in "qkv":
            matrix = layer_weight(model, layer, f"self_attn.{side}_proj")
            found = (normed @ matrix.T).view(-1, HEADS, HEAD_DIMENSION)
            if side != "v":
                norm = layer_weight(model, layer, f"self_attn.{side}_norm")
                found = rotated(rms_norm(found, norm), *self._turns)
            sides.append(found.split(self.sizes))
        reads = []
        for text in zip(*sides, strict=True):
            query, key, value = (side.transpose(0, 1) for side in text)
            reads.append(scaled_dot_product_attention(query, key, value).transpose(0, 1).flatten(1))
        return torch.cat(reads)

    def inner(self, model: Qwen3Model, layer: int) -> torch.Tensor:
        """Give the inner values of a layer's feed-forward part [tokens, units]."""
        normed = rms_norm(self.states, layer_weight(model, layer, "post_attention_layernorm"))
        gate, up = (normed @ layer_weight(model, layer, f"mlp.{part}_proj").T for part in ("gate", "up"))
        return silu(gate) * up

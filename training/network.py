"""The embedder's Qwen3 network as it is trained: the published arithmetic over texts of many lengths at once.

The weights are those of transformers' `Qwen3Model`, attending both ways; the order of work is another: all
texts of a batch lie end to end, so norms and products see one long row of tokens and only attention looks at
groups of like length; the last layer computes keys and values for all tokens, but everything else for the
last token of each text only, since nothing else is read. Products are in bfloat16 (`precision.py`), and what
lies between them (norms, turns, gates) is fused by `torch.compile` one function at a time, which makes a step
1.8 times as fast on one core.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ParamSpec

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import (
    embedding,
    linear,
    normalize,
    scaled_dot_product_attention,
    silu,
)
from transformers import Qwen3Model

from precision import WORK
from shape import EPSILON

_Arguments = ParamSpec("_Arguments")


@dataclass(frozen=True)
class Group:
    """Texts of like length, padded on the right, and the place of each one's last token."""

    ids: torch.Tensor
    last: torch.Tensor
    order: list[int]

    @cached_property
    def filled(self) -> torch.Tensor:
        """Which places hold tokens [texts, places]."""
        return torch.arange(self.ids.shape[1]) <= self.last[:, None]

    @cached_property
    def seen(self) -> torch.Tensor | None:
        """Which places hold tokens, if not all do [texts, 1, 1, places]."""
        length = self.ids.shape[1]
        if bool((self.last == length - 1).all()):
            return None
        return self.filled[:, None, None]


def grouped(rows: Sequence[NDArray[np.int32]], filler: int) -> list[Group]:
    """Sort token rows by length into groups with little padding."""
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    groups: list[Group] = []
    start = 0
    for place in range(1, len(order) + 1):
        first = len(rows[order[start]])
        if place < len(order) and len(rows[order[place]]) <= 1.2 * first + 4:
            continue
        chosen = order[start:place]
        ids = np.full((len(chosen), len(rows[chosen[-1]])), filler, dtype=np.int64)
        for line, i in enumerate(chosen):
            ids[line, : len(rows[i])] = rows[i]
        last = torch.tensor([len(rows[i]) - 1 for i in chosen])
        groups.append(Group(torch.from_numpy(ids), last, chosen))
        start = place
    return groups


def in_order(by_group: torch.Tensor, groups: Sequence[Group]) -> torch.Tensor:
    """Give what groups hold for their texts in the order that the rows had."""
    return by_group[torch.argsort(torch.tensor([i for group in groups for i in group.order]))]


def _fused(function: Callable[_Arguments, torch.Tensor]) -> Callable[_Arguments, torch.Tensor]:
    """Make one pass over memory of a function of few operations, for any number of tokens."""
    return torch.compile(function, dynamic=True)


def layer_weight(model: Qwen3Model, layer: int, part: str) -> torch.Tensor:
    """Give a layer's weight by its name without `.weight`."""
    found: torch.Tensor = model.get_parameter(f"layers.{layer}.{part}.weight")
    return found


def rms_norm(states: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Give states of mean square 1, times the norm's weight."""
    scale = torch.rsqrt(states.square().mean(-1, keepdim=True) + EPSILON)
    return states * scale * weight


def turns(places: int, base: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Give cosines and sines of every pair's turn at each of a text's tokens [2,048, places / 2]."""
    angles = torch.arange(2048)[:, None] * base ** -(torch.arange(0, places, 2) / places)
    return angles.cos(), angles.sin()


def rotated(states: torch.Tensor, cosines: torch.Tensor, sines: torch.Tensor) -> torch.Tensor:
    """Turn each head's pairs by their places."""
    first, second = states.chunk(2, -1)
    return torch.cat([first * cosines - second * sines, second * cosines + first * sines], -1)


@_fused
def _normed(states: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    return rms_norm(states, weight).to(WORK)


@_fused
def _turned(
    joint: torch.Tensor, norm: torch.Tensor, cosines: torch.Tensor, sines: torch.Tensor
) -> torch.Tensor:
    """Norm each head's vectors and turn them by their places; what has no norm is left as it is."""
    return rotated(rms_norm(joint.float(), norm), cosines[:, None], sines[:, None]).to(WORK)


@_fused
def _gated(gate_up: torch.Tensor) -> torch.Tensor:
    gate, up = gate_up.float().chunk(2, -1)
    return (silu(gate) * up).to(WORK)


@_fused
def _added(states: torch.Tensor, change: torch.Tensor) -> torch.Tensor:
    return states + change


def _heads_of(
    states: torch.Tensor,
    matrix: torch.Tensor,
    sides_count: int,
    norms: Sequence[torch.Tensor],
    cosines: torch.Tensor,
    sines: torch.Tensor,
) -> tuple[torch.Tensor, ...]:
    """Project normed states to heads; the first projections are normed and turned, a value is neither."""
    places = len(norms[0])
    sides = linear(states, matrix).view(len(states), sides_count, -1, places).unbind(1)
    turned = [_turned(side, norm, cosines, sines) for side, norm in zip(sides, norms, strict=False)]
    return *turned, *sides[len(norms) :]


def _feed_forward(
    states: torch.Tensor, norm: torch.Tensor, gate_up: torch.Tensor, down: torch.Tensor
) -> torch.Tensor:
    return _added(states, linear(_gated(linear(_normed(states, norm), gate_up)), down))


class Network:
    """A `Qwen3Model`'s weights with the forward pass for training."""

    def __init__(self, model: Qwen3Model) -> None:
        self.model = model
        self.layers = model.config.num_hidden_layers
        self._heads, self._places = model.config.num_attention_heads, model.config.head_dim
        base = float(model.config.to_dict()["rope_parameters"]["rope_theta"])
        self._cosines, self._sines = turns(self._places, base)

    def weight(self, layer: int, part: str) -> torch.Tensor:
        """Give a layer's weight by its name without `.weight`."""
        return layer_weight(self.model, layer, part)

    def last_states(self, rows: Sequence[NDArray[np.int32]], filler: int) -> torch.Tensor:
        """Give the state of each row's last token."""
        groups = grouped(rows, filler)
        *_, states = self.stream(groups)
        return in_order(self.ends(states, groups), groups)

    def stream(self, groups: Sequence[Group]) -> Iterator[torch.Tensor]:
        """Give all tokens' states, group after group, behind each layer but the last."""
        cosines, sines = self._turns(groups)
        tokens = torch.cat([group.ids.reshape(-1) for group in groups])
        states = embedding(tokens, self.model.get_parameter("embed_tokens.weight"))
        for layer in range(self.layers - 1):
            states = self._full_layer(layer, states, cosines, sines, groups)
            yield states

    def _turns(self, groups: Sequence[Group]) -> tuple[torch.Tensor, torch.Tensor]:
        places = torch.cat([torch.arange(group.ids.shape[1]).repeat(group.ids.shape[0]) for group in groups])
        return self._cosines[places], self._sines[places]

    def ends(self, states: torch.Tensor, groups: Sequence[Group]) -> torch.Tensor:
        """Give the states of the texts' last tokens behind the last layer, from all behind the one before."""
        cosines, sines = self._turns(groups)
        starts = np.cumsum([0, *(group.ids.numel() for group in groups)])
        ends = torch.cat(
            [
                start + torch.arange(len(group.ids)) * group.ids.shape[1] + group.last
                for start, group in zip(starts[:-1], groups, strict=True)
            ]
        )
        return self._last_layer(states, ends, cosines, sines, groups)

    def _joint(self, layer: int, parts: Sequence[str]) -> torch.Tensor:
        return torch.cat([self.weight(layer, part).to(WORK) for part in parts])

    def _norms(self, layer: int) -> tuple[torch.Tensor, torch.Tensor]:
        return self.weight(layer, "self_attn.q_norm"), self.weight(layer, "self_attn.k_norm")

    def _full_layer(
        self,
        layer: int,
        states: torch.Tensor,
        cosines: torch.Tensor,
        sines: torch.Tensor,
        groups: Sequence[Group],
    ) -> torch.Tensor:
        normed = _normed(states, self.weight(layer, "input_layernorm"))
        matrix = self._joint(layer, [f"self_attn.{side}_proj" for side in "qkv"])
        sides = _heads_of(normed, matrix, 3, self._norms(layer), cosines, sines)
        split = [side.split([group.ids.numel() for group in groups]) for side in sides]
        reads = []
        for group, *parts in zip(groups, *split, strict=True):
            query, key, value = (
                part.view(*group.ids.shape, self._heads, -1).transpose(1, 2) for part in parts
            )
            read = scaled_dot_product_attention(query, key, value, attn_mask=group.seen)
            reads.append(read.transpose(1, 2).reshape(group.ids.numel(), -1))
        states = _added(states, linear(torch.cat(reads), self.weight(layer, "self_attn.o_proj").to(WORK)))
        return _feed_forward(states, *self._feed_forward_weights(layer))

    def _feed_forward_weights(self, layer: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        gate_up = self._joint(layer, ["mlp.gate_proj", "mlp.up_proj"])
        return (
            self.weight(layer, "post_attention_layernorm"),
            gate_up,
            self.weight(layer, "mlp.down_proj").to(WORK),
        )

    def _last_layer(
        self,
        states: torch.Tensor,
        ends: torch.Tensor,
        cosines: torch.Tensor,
        sines: torch.Tensor,
        groups: Sequence[Group],
    ) -> torch.Tensor:
        layer = self.layers - 1
        query_norm, key_norm = self._norms(layer)
        normed = _normed(states, self.weight(layer, "input_layernorm"))
        matrix = self._joint(layer, ["self_attn.k_proj", "self_attn.v_proj"])
        keys, values = _heads_of(normed, matrix, 2, (key_norm,), cosines, sines)
        query_matrix = self.weight(layer, "self_attn.q_proj").to(WORK)
        (queries,) = _heads_of(normed[ends], query_matrix, 1, (query_norm,), cosines[ends], sines[ends])
        sizes = [group.ids.numel() for group in groups]
        counts = [len(group.ids) for group in groups]
        reads = []
        for group, query, *sides in zip(
            groups, queries.split(counts), keys.split(sizes), values.split(sizes), strict=True
        ):
            key, value = (side.view(*group.ids.shape, self._heads, -1).transpose(1, 2) for side in sides)
            scores = (query[:, :, None] @ key.transpose(2, 3)).float() * self._places**-0.5
            if group.seen is not None:
                scores = scores.masked_fill(~group.seen, float("-inf"))
            reads.append((scores.softmax(-1).to(WORK) @ value).reshape(len(query), -1))
        ended = states[ends] + linear(torch.cat(reads), self.weight(layer, "self_attn.o_proj").to(WORK))
        ended = _feed_forward(ended, *self._feed_forward_weights(layer))
        return rms_norm(ended, self.model.get_parameter("norm.weight"))


@torch.inference_mode()
def embed(
    network: Network, rows: Sequence[NDArray[np.int32]], filler: int, texts_at_once: int = 512
) -> NDArray[np.float32]:
    """Embed token rows (with their end tokens)."""
    vectors = np.empty((len(rows), network.model.config.hidden_size), dtype=np.float32)
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    for start in range(0, len(order), texts_at_once):
        chosen = order[start : start + texts_at_once]
        states = network.last_states([rows[i] for i in chosen], filler)
        vectors[chosen] = normalize(states, dim=-1).numpy()
    return vectors

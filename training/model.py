"""The embedder, set by hand: a Qwen3 network around the token table that `static.py` trained.

The first layer marks the tokens after an instruction's "Query"; the last copies the mean of the marked
tokens' vectors (of all, where none is marked) into the end token. So the network is the static embedder and
knows what a prompt is; it may be trained on from there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from transformers import Qwen3Model

from shape import HEAD_DIMENSION, configuration
from tokenizer import END_OF_TEXT, token_id

HIDDEN = 576
HEADS = 9
LAYERS = 2
FEED_FORWARD = 64
_NOISE = 1e-4
_OUTPUT_NOISE = 1e-5
MARK = 2.0
# The slowest pairs of rotary places barely turn with distance: they serve as plain dimensions.
SLOW, SLOW_CONSTANT = 31, 30
SHARPNESS = 1.25


@dataclass(frozen=True)
class Scratch:
    """The last places of the hidden state, kept for marks instead of meaning."""

    constant: int = HIDDEN - 1
    first_mark: int = HIDDEN - 2
    second_mark: int = HIDDEN - 3
    first_share: int = HIDDEN - 4
    second_share: int = HIDDEN - 5
    flag: int = HIDDEN - 6


SCRATCH = Scratch()
CONTENT = SCRATCH.flag


def weight(model: Qwen3Model, layer: int, part: str) -> torch.Tensor:
    """Give a weight of a layer by its part's name, such as `attn.q_proj` or `mlp.up_proj`."""
    return model.get_parameter(f"layers.{layer}.{part.replace('attn', 'self_attn')}.weight")


def scaled_table(trained: NDArray[np.float32]) -> NDArray[np.float32]:
    """Lay out a table that `static.py` trained; beside the constant, norms see it as it was trained."""
    table = np.zeros((len(trained), HIDDEN), dtype=np.float32)
    table[:, :CONTENT] = trained
    table[:, SCRATCH.constant] = 1
    return table


@torch.no_grad()
def mark_segments(model: Qwen3Model, first: int, second: int) -> None:
    """Let layer 0 write, for every token, which share of its earlier marks is of either kind.

    The two tokens that serve as marks draw all attention of what follows them.
    """
    table = model.get_parameter("embed_tokens.weight")
    for token, place in ((first, SCRATCH.first_mark), (second, SCRATCH.second_mark)):
        table[token, :CONTENT] = 0
        table[token, place] = MARK
    point_queries(model, 0, heads=range(HEADS))
    keys, values = weight(model, 0, "attn.k_proj"), weight(model, 0, "attn.v_proj")
    output = weight(model, 0, "attn.o_proj")
    for place in (SCRATCH.first_mark, SCRATCH.second_mark):
        keys[SLOW, place] = 1
    keys[SLOW_CONSTANT, SCRATCH.constant] = 0.2
    seen = HIDDEN**0.5 * MARK / (1 + MARK**2) ** 0.5
    marks = (SCRATCH.first_mark, SCRATCH.second_mark)
    shares = (SCRATCH.first_share, SCRATCH.second_share)
    for value, (mark, share) in enumerate(zip(marks, shares, strict=True)):
        values[value].zero_()[mark] = 1
        output[:, value] = 0
        output[share, value] = 1 / seen


@torch.no_grad()
def point_queries(model: Qwen3Model, layer: int, heads: Sequence[int]) -> None:
    """Let heads look for one thing only: keys that are large at the slow place."""
    weight(model, layer, "attn.q_norm").fill_(SHARPNESS)
    weight(model, layer, "attn.k_norm").fill_(SHARPNESS)
    for head in heads:
        row = head * HEAD_DIMENSION + SLOW
        weight(model, layer, "attn.q_proj")[row, SCRATCH.constant] = 1


@torch.no_grad()
def quieten(model: Qwen3Model) -> None:
    """Begin with weights that do almost nothing."""
    for layer in range(model.config.num_hidden_layers):
        for part in ("attn.q_proj", "attn.k_proj", "attn.v_proj"):
            weight(model, layer, part).normal_(0, _NOISE)
        weight(model, layer, "attn.o_proj").normal_(0, _OUTPUT_NOISE)
        weight(model, layer, "mlp.down_proj").normal_(0, _OUTPUT_NOISE)


@torch.no_grad()
def pool(model: Qwen3Model, layer: int, places: Sequence[int]) -> None:
    """Let a layer add the mean of some places over all tokens to the same places."""
    for number, place in enumerate(places):
        weight(model, layer, "attn.v_proj")[number].zero_()[place] = 1
        weight(model, layer, "attn.o_proj")[place, number] = 1 / HIDDEN**0.5


@torch.no_grad()
def start_as_static_embedder(
    model: Qwen3Model, table: NDArray[np.float32], end_id: int, instruct_id: int, query_id: int
) -> None:
    """Set the weights so that the end token's state is the mean of the texts' token vectors."""
    entries = model.get_parameter("embed_tokens.weight")
    entries.copy_(torch.from_numpy(table))
    entries[end_id, :CONTENT] = 0
    model.get_parameter("norm.weight")[CONTENT:] = 0
    quieten(model)
    mark_segments(model, instruct_id, query_id)
    # A product of both shares: only a text with both marks, and only after the second.
    weight(model, 0, "mlp.gate_proj")[0].zero_()[SCRATCH.first_share] = 1
    weight(model, 0, "mlp.up_proj")[0].zero_()[SCRATCH.second_share] = 1
    weight(model, 0, "mlp.down_proj")[:, 0] = 0
    weight(model, 0, "mlp.down_proj")[SCRATCH.flag, 0] = 0.05
    last = model.config.num_hidden_layers - 1
    point_queries(model, last, heads=range(HEADS))
    keys = weight(model, last, "attn.k_proj")
    for head in range(HEADS):
        keys[head * HEAD_DIMENSION + SLOW, SCRATCH.flag] = 1
        keys[head * HEAD_DIMENSION + SLOW_CONSTANT, SCRATCH.constant] = 0.2
    pool(model, last, range(CONTENT))


def static_embedder(trained: NDArray[np.float32], tokenizer: Tokenizer) -> Qwen3Model:
    """Build the embedder around a table."""
    end_id = token_id(tokenizer, END_OF_TEXT)
    torch.manual_seed(0)
    model: Qwen3Model = Qwen3Model(
        configuration(
            len(trained), end_id, hidden=HIDDEN, heads=HEADS, layers=LAYERS, feed_forward=FEED_FORWARD
        )
    ).eval()
    # What tells a prompt: the first token of "Instruct" and the whole of "Query".
    marks = tokenizer.encode("Instruct").ids[0], token_id(tokenizer, "Query")
    start_as_static_embedder(model, scaled_table(trained), end_id, *marks)
    return model

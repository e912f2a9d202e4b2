"""The reranker's start: a Qwen3 network that, before any training, already compares two texts.

Built by hand inside the ordinary Qwen3 shape. Layer 0 marks the tokens of the query and of the
document; layer 1 lets document tokens find like tokens of the query; layers 2 and 3 copy the mean
of the query's token vectors and, apart from it, of the document's into the last token; the
feed-forward part of layer 3 multiplies the two, place by place. The sum decides between "yes" and
"no". Training starts from there and is free to change everything.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from transformers import Qwen3ForCausalLM, Qwen3Model

from model import (
    HEAD_DIMENSION,
    HEADS,
    HIDDEN,
    KEY_VALUE_HEADS,
    LAYERS,
    MARK,
    SCRATCH,
    SHARPNESS,
    SLOW,
    SLOW_CONSTANT,
    mark_segments,
    point_queries,
    quieten,
    weight,
)
from tokenizer import token_id

HALF = 120
_POOL_SCALE = 36.0
_MATCH_GAIN = 0.01
_TEMPLATE = ("<|im_start|>", "<|im_end|>", "<think>", "</think>", "<", ">", ":", "\n", "\n\n")
_SLOW_PLACES = (*range(20, 32), *range(52, 64))


@dataclass(frozen=True)
class Places:
    """Places of the hidden state between the two halves and the marks."""

    rarity: int = 2 * HALF
    rare_query: int = 2 * HALF + 1
    match: int = 2 * HALF + 2
    pooled_match: int = 2 * HALF + 3
    score: int = 2 * HALF + 4
    bias: int = 2 * HALF + 5
    turn_mark: int = 2 * HALF + 6


PLACES = Places()
QUERY_FLAG, DOCUMENT_FLAG = SCRATCH.first_share, SCRATCH.second_share


def judge_table(
    table: NDArray[np.float32], rarity: NDArray[np.float32], yes: int, no: int
) -> NDArray[np.float32]:
    """Make the token table: content in the first half, the second half free, marks behind."""
    made = np.zeros_like(table)
    made[:, :HALF] = table[:, :HALF]
    made[:, PLACES.rarity] = rarity
    made[:, PLACES.bias] = 1
    made[:, SCRATCH.constant] = 1
    for token, sign in ((yes, 1.0), (no, -1.0)):
        # The table is also the output layer: the answers differ in score and bias only.
        made[token] = 0
        made[token, SCRATCH.constant] = 1
        made[token, PLACES.score] = sign
        made[token, PLACES.bias] = -sign
    return made


@torch.no_grad()
def start_as_judge(
    model: Qwen3ForCausalLM, table: NDArray[np.float32], tokenizer: Tokenizer, threshold: float
) -> None:
    """Set the weights as the module's text says; `threshold` weighs against yes."""
    body = model.model
    entries = body.get_parameter("embed_tokens.weight")
    entries.copy_(torch.from_numpy(table))
    for text in _TEMPLATE:
        for token in tokenizer.encode(text).ids:
            entries[token, :HALF] = 0
            entries[token, PLACES.rarity] = 0
    quieten(body)
    mark_segments(body, token_id(tokenizer, "Query"), token_id(tokenizer, "Document"))
    _flag_segments(body, token_id(tokenizer, "<|im_end|>"))
    _match_tokens(body)
    for layer, start in ((LAYERS - 2, 0), (LAYERS - 1, HALF // 2)):
        _pool_both(body, layer, start)
    _multiply(body, threshold)


def _flag_segments(body: Qwen3Model, turn_end: int) -> None:
    """Turn the shares of the marks before a token into flags, 1 in a segment and at most 0 outside.

    The end of a turn is a third mark: it comes once before the query and again after the document.
    """
    body.get_parameter("embed_tokens.weight")[turn_end, PLACES.turn_mark] = MARK
    weight(body, 0, "attn.k_proj")[SLOW, PLACES.turn_mark] = 1
    weight(body, 0, "attn.v_proj")[2].zero_()[PLACES.turn_mark] = 1
    output = weight(body, 0, "attn.o_proj")
    for head in range(HEADS // KEY_VALUE_HEADS):
        first, second, third = (head * HEAD_DIMENSION + value for value in range(3))
        unit = float(output[QUERY_FLAG, first])
        output[:, first : third + 1] = 0
        output[QUERY_FLAG, first], output[QUERY_FLAG, second] = 2 * unit, -2 * unit
        output[DOCUMENT_FLAG, second], output[DOCUMENT_FLAG, third] = 6 * unit, -3 * unit
    weight(body, 0, "mlp.gate_proj")[0].zero_()[QUERY_FLAG] = 1
    weight(body, 0, "mlp.up_proj")[0].zero_()[PLACES.rarity] = 1
    weight(body, 0, "mlp.down_proj")[:, 0] = 0
    weight(body, 0, "mlp.down_proj")[PLACES.rare_query, 0] = 0.004


def _match_tokens(body: Qwen3Model) -> None:
    """Layer 1: compare tokens by random projections of their content, gather the query's flag."""
    weight(body, 1, "attn.q_norm").fill_(SHARPNESS)
    weight(body, 1, "attn.k_norm").fill_(SHARPNESS)
    generator = torch.Generator().manual_seed(1)
    share = HEADS // KEY_VALUE_HEADS
    for group in range(KEY_VALUE_HEADS):
        projection = torch.randn(len(_SLOW_PLACES), HALF, generator=generator) / HALF**0.5
        for number, place in enumerate(_SLOW_PLACES):
            row = group * HEAD_DIMENSION + place
            weight(body, 1, "attn.k_proj")[row, :HALF] = projection[number]
            for head in range(group * share, (group + 1) * share):
                row = head * HEAD_DIMENSION + place
                weight(body, 1, "attn.q_proj")[row, :HALF] = projection[number]
        weight(body, 1, "attn.v_proj")[group * HEAD_DIMENSION].zero_()[PLACES.rare_query] = 1
        for head in range(group * share, (group + 1) * share):
            weight(body, 1, "attn.o_proj")[PLACES.match, head * HEAD_DIMENSION] = 1 / HEADS


def _pool_both(body: Qwen3Model, layer: int, start: int) -> None:
    """Copy half of the query's mean content, and of the document's, into the last token."""
    point_queries(body, layer, heads=range(HEADS))
    share, scale = HEADS // KEY_VALUE_HEADS, HIDDEN**-0.5
    # Head 3 looks a little more at document tokens that matched the query.
    weight(body, layer, "attn.q_proj")[3 * HEAD_DIMENSION + SLOW - 2, SCRATCH.constant] = 0.7
    for group, flag in enumerate((QUERY_FLAG, DOCUMENT_FLAG)):
        base = group * HEAD_DIMENSION
        weight(body, layer, "attn.k_proj")[base + SLOW, flag] = 1
        weight(body, layer, "attn.k_proj")[base + SLOW_CONSTANT, SCRATCH.constant] = 0.2
        weight(body, layer, "attn.k_proj")[HEAD_DIMENSION + SLOW - 2, PLACES.match] = 2
        for number in range(HALF // 2):
            weight(body, layer, "attn.v_proj")[base + number].zero_()[start + number] = 1
            target = group * HALF + start + number
            for head in range(group * share, (group + 1) * share):
                column = head * HEAD_DIMENSION + number
                weight(body, layer, "attn.o_proj")[target, column] = _POOL_SCALE / share * scale
    weight(body, layer, "attn.v_proj")[HEAD_DIMENSION + HALF // 2, PLACES.match] = 1
    for head in range(share, HEADS):
        column = head * HEAD_DIMENSION + HALF // 2
        weight(body, layer, "attn.o_proj")[PLACES.pooled_match, column] = 0.5 / share * scale


def _multiply(body: Qwen3Model, threshold: float) -> None:
    """The last feed-forward part: silu(x) - silu(-x) is x, so pairs of cells multiply exactly."""
    gain = 4.0 / HIDDEN
    for place in range(HALF):
        for cell, sign in ((2 * place, 1.0), (2 * place + 1, -1.0)):
            weight(body, LAYERS - 1, "mlp.gate_proj")[cell].zero_()[place] = sign
            weight(body, LAYERS - 1, "mlp.up_proj")[cell].zero_()[HALF + place] = 1
            weight(body, LAYERS - 1, "mlp.down_proj")[:, cell] = 0
            weight(body, LAYERS - 1, "mlp.down_proj")[PLACES.score, cell] = sign * gain
    spare = 2 * HALF
    weight(body, LAYERS - 1, "mlp.gate_proj")[spare].zero_()[SCRATCH.constant] = 1
    weight(body, LAYERS - 1, "mlp.up_proj")[spare].zero_()[PLACES.pooled_match] = 1
    weight(body, LAYERS - 1, "mlp.down_proj")[:, spare] = 0
    weight(body, LAYERS - 1, "mlp.down_proj")[PLACES.score, spare] = _MATCH_GAIN
    norm = body.get_parameter("norm.weight")
    norm[:] = 1
    norm[PLACES.bias] = threshold

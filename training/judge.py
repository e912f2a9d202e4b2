"""The reranker's start: a Qwen3 network that, before any training, already compares two texts.

Built by hand inside the ordinary Qwen3 shape. Layer 0 marks the tokens of the query and of the
document; layer 1 lets document tokens find like tokens of the query; layer 2 copies the mean of the
query's token vectors and, apart from it, of the document's into the last token, and its feed-forward
part multiplies the two, place by place. The sum, with the found tokens' rarity, decides between "yes"
and "no". Training starts from there and is free to change everything.
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
    MARK,
    RERANKER_LAYERS,
    SCRATCH,
    SLOW,
    SLOW_CONSTANT,
    mark_segments,
    point_queries,
    quieten,
    weight,
)
from tokenizer import token_id

HALF = 184
_POOL_SCALE = 36.0
MATCH_GAIN = 0.01
_MATCH_SHARPNESS = 1.6
_FLAG_SHARE, _NOTHING_SHARE = 0.18, 0.25
_TEMPLATE = ("<|im_start|>", "<|im_end|>", "<think>", "</think>", "<", ">", ":", "\n", "\n\n")
_PARTS = ("gate", "up", "down")
_SLOW_PLACES = (*range(20, 30), *range(52, 64))


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
    _pool_both(body)
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
    """Layer 1: every token looks for the query's token most like it and takes that one's rarity.

    Tokens are compared by random projections of their content. The query's keys are lifted and the
    document's lowered by their flags; who finds nothing alike looks at the end of the system turn.
    """
    weight(body, 1, "attn.q_norm").fill_(_MATCH_SHARPNESS)
    weight(body, 1, "attn.k_norm").fill_(_MATCH_SHARPNESS)
    queries, keys = weight(body, 1, "attn.q_proj"), weight(body, 1, "attn.k_proj")
    generator = torch.Generator().manual_seed(1)
    for head in range(HEADS):
        base = head * HEAD_DIMENSION
        projection = torch.randn(len(_SLOW_PLACES), HALF, generator=generator) / HALF**0.5
        for number, place in enumerate(_SLOW_PLACES):
            keys[base + place, :HALF] = projection[number]
            queries[base + place, :HALF] = projection[number]
        queries[base + SLOW, SCRATCH.constant] = _FLAG_SHARE
        keys[base + SLOW, QUERY_FLAG], keys[base + SLOW, DOCUMENT_FLAG] = _FLAG_SHARE, -_FLAG_SHARE
        queries[base + SLOW_CONSTANT, SCRATCH.constant] = _NOTHING_SHARE
        keys[base + SLOW_CONSTANT, PLACES.turn_mark] = 1
        weight(body, 1, "attn.v_proj")[base].zero_()[PLACES.rare_query] = 1
        weight(body, 1, "attn.o_proj")[PLACES.match, base] = 1 / HEADS


def _pool_both(body: Qwen3Model) -> None:
    """Copy the query's mean content with half of the heads, the document's with the others."""
    layer = RERANKER_LAYERS - 1
    point_queries(body, layer, heads=range(HEADS))
    keys, values = weight(body, layer, "attn.k_proj"), weight(body, layer, "attn.v_proj")
    output = weight(body, layer, "attn.o_proj")
    scale = HIDDEN**-0.5
    for side, flag in enumerate((QUERY_FLAG, DOCUMENT_FLAG)):
        first = side * (HEADS // 2) * HEAD_DIMENSION
        for row in range(first, first + HEADS // 2 * HEAD_DIMENSION, HEAD_DIMENSION):
            keys[row + SLOW, flag] = 1
            keys[row + SLOW_CONSTANT, SCRATCH.constant] = 0.2
        for number in range(HALF):
            values[first + number].zero_()[number] = 1
            output[side * HALF + number, first + number] = _POOL_SCALE * scale
    # The last head has places to spare; it looks more at document tokens that matched the query.
    base = (HEADS - 1) * HEAD_DIMENSION
    weight(body, layer, "attn.q_proj")[base + SLOW - 2, SCRATCH.constant] = 0.7
    keys[base + SLOW - 2, PLACES.match] = 2
    values[base + HEAD_DIMENSION - 1].zero_()[PLACES.match] = 1
    output[PLACES.pooled_match, base + HEAD_DIMENSION - 1] = 0.5 * scale


def _multiply(body: Qwen3Model, threshold: float) -> None:
    """The last feed-forward part: silu(x) - silu(-x) is x, so pairs of cells multiply exactly."""
    gates, ups, downs = (weight(body, RERANKER_LAYERS - 1, f"mlp.{part}_proj") for part in _PARTS)
    gain = 4.0 / HIDDEN
    for place in range(HALF):
        for cell, sign in ((2 * place, 1.0), (2 * place + 1, -1.0)):
            gates[cell].zero_()[place] = sign
            ups[cell].zero_()[HALF + place] = 1
            downs[:, cell] = 0
            downs[PLACES.score, cell] = sign * gain
    spare = 2 * HALF
    gates[spare].zero_()[SCRATCH.constant] = 1
    ups[spare].zero_()[PLACES.pooled_match] = 1
    downs[:, spare] = 0
    downs[PLACES.score, spare] = MATCH_GAIN
    norm = body.get_parameter("norm.weight")
    norm[:] = 1
    norm[PLACES.bias] = threshold

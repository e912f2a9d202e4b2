"""The small Qwen3 shape, its start as a static embedder, and batches of token rows.

The start: the token table is the one that `static.py` trained. The first layer marks the tokens after
an instruction's "Query"; the last copies the mean of the marked tokens (of all, where none is) into the
end token. So the untrained model is a bag-of-words embedder that knows what a prompt is, and training
begins from there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import DynamicCache, Qwen3Config, Qwen3Model

HIDDEN = 384
HEAD_DIMENSION = 64
# As many values as places: one layer can copy a whole mean.
KEY_VALUE_HEADS = 6
HEADS = 6
EMBEDDER_LAYERS, RERANKER_LAYERS = 2, 3
FEED_FORWARD = 384
CUTS = (384, 192, 96)
_RARITY = 1e-3
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


def configuration(entries: int, end_id: int, layers: int) -> Qwen3Config:
    """Give the Qwen3 configuration of a built-in model."""
    return Qwen3Config(
        vocab_size=entries,
        hidden_size=HIDDEN,
        head_dim=HEAD_DIMENSION,
        num_attention_heads=HEADS,
        num_key_value_heads=KEY_VALUE_HEADS,
        num_hidden_layers=layers,
        intermediate_size=FEED_FORWARD,
        max_position_embeddings=32768,
        rope_parameters={"rope_type": "default", "rope_theta": 1_000_000.0},
        rms_norm_eps=1e-6,
        tie_word_embeddings=True,
        attention_bias=False,
        bos_token_id=end_id,
        eos_token_id=end_id,
    )


def token_table(vocabulary_targets: NDArray[np.float32], counts: NDArray[np.int64]) -> NDArray[np.float32]:
    """Weight the entries' vectors by rarity; the last place is a constant that carries scale."""
    frequency = counts / max(1, counts.sum())
    table = vocabulary_targets * (_RARITY / (_RARITY + frequency))[:, None]
    # The norm before each layer would undo the weights; a constant place makes it nearly linear.
    table[:, CONTENT:] = 0
    table[:, SCRATCH.constant] = 1
    weighted: NDArray[np.float32] = table.astype(np.float32)
    return weighted


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
        for head in range(HEADS // KEY_VALUE_HEADS):
            column = head * HEAD_DIMENSION + value
            output[:, column] = 0
            output[share, column] = KEY_VALUE_HEADS / HEADS / seen


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
    share = HEADS // KEY_VALUE_HEADS
    for number, place in enumerate(places):
        weight(model, layer, "attn.v_proj")[number].zero_()[place] = 1
        group, within = divmod(number, HEAD_DIMENSION)
        for head in range(group * share, (group + 1) * share):
            column = head * HEAD_DIMENSION + within
            weight(model, layer, "attn.o_proj")[place, column] = 1 / share / HIDDEN**0.5


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
    for group in range(KEY_VALUE_HEADS):
        keys[group * HEAD_DIMENSION + SLOW, SCRATCH.flag] = 1
        keys[group * HEAD_DIMENSION + SLOW_CONSTANT, SCRATCH.constant] = 0.2
    pool(model, last, range(CONTENT))


def padded(rows: Sequence[Sequence[int]], filler: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Pad rows on the right and give the place of each row's last token."""
    last = torch.tensor([len(row) - 1 for row in rows])
    ids = torch.full((len(rows), int(last.max()) + 1), filler, dtype=torch.long)
    for line, row in enumerate(rows):
        ids[line, : len(row)] = torch.tensor(row, dtype=torch.long)
    return ids, last


def last_states(
    model: Qwen3Model, rows: Sequence[Sequence[int]], filler: int, prefix: Sequence[int] = ()
) -> torch.Tensor:
    """Give the state at the last token of each row; causal attention never sees the padding.

    A prefix that all rows share runs once and every row attends to it.
    """
    ids, last = padded(rows, filler)
    cache = None
    if prefix:
        cache = DynamicCache(config=model.config)
        model(torch.tensor([list(prefix)]), past_key_values=cache, use_cache=True)
        cache.batch_repeat_interleave(len(rows))
    states: torch.Tensor = model(ids, past_key_values=cache, use_cache=bool(prefix)).last_hidden_state
    return states[torch.arange(len(rows)), last]


@torch.inference_mode()
def embed(
    model: Qwen3Model, rows: Sequence[Sequence[int]], filler: int, batch_tokens: int = 8192
) -> NDArray[np.float32]:
    """Embed token rows (with their end tokens) in batches of like length."""
    vectors = np.empty((len(rows), HIDDEN), dtype=np.float32)
    batch: list[int] = []
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    for place, i in enumerate(order):
        batch.append(i)
        last = place + 1 == len(order)
        if last or (len(batch) + 1) * len(rows[order[place + 1]]) > batch_tokens:
            states = last_states(model, [rows[j] for j in batch], filler)
            vectors[batch] = torch.nn.functional.normalize(states, dim=-1).numpy()
            batch = []
    return vectors

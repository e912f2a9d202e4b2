"""The network's first layer: puts the teacher's place vectors into a network that has rotary places only.

Ten heads look at the tokens that begin the text; how they share their attention depends on the distance, for
queries and keys turn with their places. A feed-forward part, fitted here, makes the teacher's vector of the
place from these shares. Places count from the marks of a query where there are any, so an instruction moves
nothing.

The shares repeat after 628 tokens (a whole number of turns of each pair), and the teacher has 512 places:
those behind mirror the ones before.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch.nn.functional import silu
from transformers import Qwen3Model

from stream import (
    ASKED,
    BEGUN,
    BEHIND,
    CONSTANT,
    CONTENT,
    FEATURES,
    FEED_FORWARD,
    FIRST,
    HEAD_DIMENSION,
    HIDDEN,
    INSTRUCTED,
    LOUDNESS,
    MASKED,
    ROTARY_BASE,
    SECOND,
    THIRD,
)
from texts import SEED

_HALF = HEAD_DIMENSION // 2
_HEADS = len(FEATURES) // 2
_PAIRS = (0, 1, 2)
_TURNS = tuple(ROTARY_BASE ** (-pair / _HALF) for pair in _PAIRS)
_LEVEL, _FILL = _HALF - 1, HEAD_DIMENSION - 1
_FAR_PAIR, _FAR_NORM = 4, 128
_KEY_LENGTH = 4096.0
_REFERENCE = 16.0
"""Score of a text's beginning over all other tokens: more than the logarithm of their number"""
_STEP = 12.0
"""By how much the score of a query's beginning grows with each token behind it"""
_LOUD = 2.0
_GATE = 8.0
_OTHERS = len(FEATURES) + 3
_UNITS = FEED_FORWARD - _OTHERS
_PERIOD = 628
_PAIR_SIZES, _GATE_SIZE = (1.0, 2.0, 3.0), 3.0
_DRAWS, _INEXACT, _EVEN_UP_TO = 6, 0.004, 60
_ROOT = HEAD_DIMENSION**0.5
_SQUARES = CONTENT + 3.0


def mirrored(places: torch.Tensor) -> torch.Tensor:
    """Give a vector for each of 628 places from the teacher's 512, whose first and last are odd ones."""
    known = places[4:509]
    order = [*range(4, 509), *range(507, 507 - (_PERIOD - 509), -1)]
    found = torch.cat([known[:1].expand(4, -1), places[order]])
    return found - found.mean(1, keepdim=True)


@dataclass
class Fitted:
    """Each head's keys, as far as they turn, and the feed-forward part."""

    keys: torch.Tensor
    """[2 sides of each pair, heads, 2 keys, pairs]"""
    gate: torch.Tensor
    """[units, features + 1]"""
    down: torch.Tensor
    """[384, units]"""


def shares(keys: torch.Tensor, distances: torch.Tensor) -> torch.Tensor:
    """Give what each head gives to the first two of its three keys [distances, features]."""
    angles = (distances[:, None, None, None] - torch.arange(2.0)[:, None]) * torch.tensor(_TURNS)
    scores = (keys[0] * angles.cos() + keys[1] * angles.sin()).sum(-1)
    return torch.cat([scores, torch.zeros(*scores.shape[:2], 1)], -1).softmax(-1)[..., :2].flatten(1)


def inner(fitted: Fitted, found: torch.Tensor) -> torch.Tensor:
    """Give the feed-forward part's inner values, as the norm before it shortens them."""
    features = _LOUD * found
    short = ((_SQUARES + features.square().sum(1, keepdim=True)) / _SQUARES).rsqrt()
    ones = torch.ones(len(features), 1)
    return silu(short * torch.cat([features, ones], 1) @ fitted.gate.T) * short


def fit(target: torch.Tensor) -> Fitted:
    """Fit the layer to give `target` [628, 384], short texts' places first of all.

    Heads and inner values are drawn by chance; the last matrix follows from them by least squares, over
    shares as inexact as bfloat16 makes them.
    """
    generator = torch.Generator().manual_seed(SEED)
    shape = (_HEADS, 2, len(_PAIRS))
    sizes = torch.tensor(_PAIR_SIZES) * torch.randn(shape, generator=generator).abs()
    angles = 2 * math.pi * torch.rand(shape, generator=generator)
    gate = _GATE_SIZE * torch.randn(_UNITS, len(FEATURES) + 1, generator=generator)
    turned = torch.stack([sizes * angles.cos(), sizes * angles.sin()])
    fitted = Fitted(_in_eight_bits(turned), _in_eight_bits(gate), torch.empty(CONTENT, _UNITS))
    distances = torch.arange(float(_PERIOD))
    weights = (1 / (distances + _EVEN_UP_TO)).double()[:, None]
    exact = shares(fitted.keys, distances)
    squares, products = torch.zeros(_UNITS, _UNITS).double(), torch.zeros(_UNITS, CONTENT).double()
    for _ in range(_DRAWS):
        noise = 1 + _INEXACT * torch.randn(exact.shape, generator=generator)
        values = inner(fitted, exact * noise).double()
        squares += values.T @ (weights * values)
        products += values.T @ (weights * target.double())
    own = squares.diagonal()
    # Small weights: no large values that cancel each other, for inner values are rounded, too.
    squares += (1e-4 * own + 1e-5 * own.mean()).diag()
    fitted.down = torch.linalg.solve(squares, products).T.float()
    return fitted


def _in_eight_bits(values: torch.Tensor) -> torch.Tensor:
    """Round as `narrow.py` will, so that the last matrix fits what is left."""
    return values.to(torch.float8_e4m3fn).float()


def _norms(model: Qwen3Model) -> None:
    for side in "qk":
        norm = model.get_parameter(f"layers.0.self_attn.{side}_norm.weight")
        norm.fill_(1.0 if side == "q" else _KEY_LENGTH / _ROOT)
        norm[[_FAR_PAIR, _FAR_PAIR + _HALF]] *= _FAR_NORM


def _keys(marks: dict[int, dict[int, float]]) -> torch.Tensor:
    """Give a head's key matrix from each mark's values by place; a large constant keeps keys equally long."""
    made = torch.zeros(HEAD_DIMENSION, HIDDEN)
    made[_FILL, CONSTANT] = _KEY_LENGTH
    for mark, values in marks.items():
        for place, value in values.items():
            made[place, mark] = value
    return made


@torch.no_grad()
def write(model: Qwen3Model, fitted: Fitted, harmless: torch.Tensor) -> None:
    """Set the first layer, all zeros before.

    `harmless` [384] makes an ordinary word of the mark that begins a document.
    """
    query, key, value, output = (
        model.get_parameter(f"layers.0.self_attn.{side}_proj.weight") for side in "qkvo"
    )
    for norm in ("input", "post_attention"):
        model.get_parameter(f"layers.0.{norm}_layernorm.weight").fill_((_SQUARES / HIDDEN) ** 0.5)
    _norms(model)
    for head in range(_HEADS):
        at = head * HEAD_DIMENSION
        # The normed query is as long as any; a score is the key's value by the query's share of its length.
        query[[at + pair for pair in (*_PAIRS, _LEVEL)], CONSTANT] = 1
        level = 2 * _REFERENCE
        rows: dict[int, dict[int, float]] = {THIRD: {_LEVEL: level}, ASKED: {_LEVEL: level}}
        for number, mark in enumerate((FIRST, SECOND)):
            rows[mark] = {_LEVEL: level}
            for pair in _PAIRS:
                for side in (0, 1):
                    rows[mark][pair + side * _HALF] = 2 * fitted.keys[side, head, number, pair].item()
            value[at + number, mark] = 1
            output[FEATURES[2 * head + number], at + number] = _LOUD
        key[at : at + HEAD_DIMENSION] = _keys(rows)
    _write_instruction(query, key, value, output)
    _write_feed_forward(model, fitted, harmless)


def _write_instruction(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, output: torch.Tensor
) -> None:
    """Let one head tell whether the text has an instruction, and which side of its end a token stands.

    Of a query's first and third mark it looks at the third from before, at the first from behind.
    """
    at = _HEADS * HEAD_DIMENSION
    query[[at + _FAR_PAIR, at + _LEVEL], CONSTANT] = torch.tensor([1.0, 1.75])
    length = math.hypot(1.0, 1.75)
    level = _REFERENCE * length / 1.75
    turn = ROTARY_BASE ** (-_FAR_PAIR / _HALF)
    far = _STEP * length / turn / _FAR_NORM**2
    above = _STEP / 2 * length / 1.75
    marks = {BEGUN: {_LEVEL: level + above, _FAR_PAIR + _HALF: far}, THIRD: {_LEVEL: level}}
    key[at : at + HEAD_DIMENSION] = _keys(marks | {ASKED: {_LEVEL: level}})
    value[at, BEGUN], value[at + 1, ASKED] = 1, 1
    output[BEHIND, at], output[INSTRUCTED, at + 1] = 1, 1


def _write_feed_forward(model: Qwen3Model, fitted: Fitted, harmless: torch.Tensor) -> None:
    gate, up, down = (
        model.get_parameter(f"layers.0.mlp.{part}_proj.weight") for part in ("gate", "up", "down")
    )
    gate[:_UNITS, FEATURES.start : FEATURES.stop] = fitted.gate[:, :-1]
    gate[:_UNITS, CONSTANT] = fitted.gate[:, -1]
    up[:_UNITS, LOUDNESS] = 1
    down[:CONTENT, :_UNITS] = fitted.down
    opened = _GATE / (1 + math.exp(-_GATE))
    for row, place in enumerate((*FEATURES, BEHIND), _UNITS):
        gate[row, CONSTANT], up[row, place] = _GATE, 1
        down[place, row] = -1 / opened
    # Attention rests on a text's beginning; before an instruction it must not.
    row = FEED_FORWARD - 2
    gate[row, INSTRUCTED], up[row, FIRST], up[row, BEGUN] = _GATE, 1, -1
    down[:CONTENT, row], down[FIRST, row] = harmless / opened, -1 / opened
    row = FEED_FORWARD - 1
    gate[row, INSTRUCTED], up[row, CONSTANT], up[row, BEHIND] = _GATE, 1, -1
    down[MASKED, row] = 1 / opened

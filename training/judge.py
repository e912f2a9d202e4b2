"""The reranker, set by hand: a Qwen3 network that reads how near two texts are and which words they share.

Nothing here is trained but the token vectors. Every row of the table has the same length, so norms change
nothing but scale. Layer 0 tells each token whether it is in the query or in the document. Layer 1 lets each
token find its like in the query and take that one's rarity; itself and its like before it in the document
share the attention, and the square of the query's share counts: 1, 4/9, 1/4 of the first as a word comes
again, much as in BM25. Layer 2 takes the mean of the document's vectors into the closing "</think>" and the
query's into the last token, which also sums what the document's tokens found over the query's rarity. Layer
3 compares the two means: the normed keys and queries of three heads give the cosines of three parts of the
vectors. What was found and how near the means are decide between "yes" and "no".
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from transformers import Qwen3ForCausalLM, Qwen3Model

from shape import HEAD_DIMENSION
from tokenizer import token_id

HIDDEN, HEADS, LAYERS, FEED_FORWARD = 224, 4, 4, 64
PART, PARTS = 55, 3
CONTENT = PART * PARTS
_CODE_PLACES = (*range(20, 30), *range(52, 62))
_MATCHING_HEADS = 2
_CODES = range(CONTENT, CONTENT + _MATCHING_HEADS * len(_CODE_PLACES))
# A norm makes a row four times as long, which floats of eight bits say exactly; tokens of query and document
# have flags besides.
_PLAIN = 4.0
_ROW_LENGTH = HIDDEN**0.5 / _PLAIN
MARK = 2.0
# The slowest pairs of rotary places barely turn with distance: they serve as plain dimensions.
_SLOW = (31, 30, 29, 28)
_FAINT = 0.2
# A gate as steep as this is a line from a tenth on.
_STEEP = 32.0
_SHARES_IN_QUERY, _SHARES_IN_DOCUMENT = (1, -1.5), (-2, 1)


def _scale(*others: float) -> float:
    """Say how much longer a norm makes a row that has other values besides."""
    return math.sqrt(HIDDEN / (_ROW_LENGTH**2 + sum(value**2 for value in others)))


_IN_QUERY, _IN_DOCUMENT = _scale(*_SHARES_IN_QUERY, 1), _scale(*_SHARES_IN_DOCUMENT, 1)
_LONGEST = 2.5
_MEAN_GAIN = 2.0
_ALL_FOUND = 4e-4
_TEMPLATE = ("<|im_start|>", "<|im_end|>", "<think>", "</think>", "<", ">", ":", "\n", "\n\n", ">:")
_LAST_WORDS = "</think>\n\n"


@dataclass(frozen=True)
class Places:
    """Places of the hidden state behind the content and the codes."""

    constant: int = 205
    rarity: int = 206
    query_mark: int = 207
    document_mark: int = 208
    turn_mark: int = 209
    closing: int = 210
    ordinary: int = 211
    ballast: int = 212
    query_share: int = 213
    document_share: int = 214
    in_query: int = 215
    in_document: int = 216
    rare_in_query: int = 217
    found: int = 218
    found_in_document: int = 219
    score: int = 220
    bias: int = 221


@dataclass(frozen=True)
class Weighing:
    """What counts how much: found words against nearness, and where "yes" begins."""

    found: float = 2.0
    near: float = 3.0
    threshold: float = 0.45
    sharpness: float = 8.0


P = Places()


@dataclass(frozen=True)
class Vocabulary:
    """What is known of each entry: its meaning, the word it stands for, how rare that is (0 to 1)."""

    table: NDArray[np.float32]
    words: NDArray[np.int64]
    rarity: NDArray[np.float32]

    def turned(self) -> NDArray[np.float32]:
        """Give the vectors turned at random: then the parts that heads compare weigh about the same."""
        turn = np.linalg.qr(np.random.default_rng(1).normal(size=(CONTENT, CONTENT)))[0]
        turned: NDArray[np.float32] = (self.table @ turn).astype(np.float32)
        return turned


def _within_limit(table: torch.Tensor) -> torch.Tensor:
    """Give token vectors none of which is longer than a row has room for."""
    lengths = table.norm(dim=1, keepdim=True)
    limit = lengths.quantile(0.999)
    scale: torch.Tensor = (limit / lengths.clamp(min=1e-9)).clamp(max=1) * (_LONGEST / limit)
    return table * scale


def laid_out(vocabulary: Vocabulary, tokenizer: Tokenizer) -> NDArray[np.float32]:
    """Lay out the token table: content, a random code by which equal words know each other, and marks."""
    generator = np.random.default_rng(1)
    rows = np.zeros((len(vocabulary.table), HIDDEN), dtype=np.float32)
    rows[:, :CONTENT] = _within_limit(torch.from_numpy(vocabulary.turned())).numpy()
    codes = generator.normal(size=(int(vocabulary.words.max()) + 1, _MATCHING_HEADS, len(_CODE_PLACES)))
    codes /= np.linalg.norm(codes, axis=2, keepdims=True)
    rows[:, _CODES] = codes.reshape(len(codes), -1)[vocabulary.words]
    # Its root, for what is found is squared.
    rows[:, P.rarity] = vocabulary.rarity**0.5
    rows[:, P.constant] = rows[:, P.ordinary] = 1
    for token in {token for text in _TEMPLATE for token in tokenizer.encode(text).ids}:
        rows[token, :CONTENT] = 0
        rows[token, P.rarity] = 0
    for text, place in (
        ("Query", P.query_mark),
        ("Document", P.document_mark),
        ("<|im_end|>", P.turn_mark),
        ("</think>", P.closing),
    ):
        token = token_id(tokenizer, text)
        rows[token, : CONTENT + len(_CODES)] = 0
        rows[token, P.rarity] = rows[token, P.ordinary] = 0
        rows[token, place] = MARK
    rows[:, P.bias] = 1
    rows[:, P.ballast] = np.sqrt(_ROW_LENGTH**2 - np.square(rows).sum(1))
    for text, sign in (("yes", 1), ("no", -1)):
        # The table is also the output layer: the answers differ in score and bias only.
        rows[token_id(tokenizer, text)] = 0
        rows[token_id(tokenizer, text), [P.score, P.bias]] = sign, -sign
    return rows


class Hand:
    """Sets weights of one layer; everything that is not set is nothing."""

    def __init__(self, body: Qwen3Model, layer: int, sharpness: float) -> None:
        self._body, self._layer = body, layer
        for name, value in body.named_parameters():
            if name.startswith(f"layers.{layer}.") and value.ndim == 2:
                value.zero_()
        # A head's normed query and key give a score of at most `sharpness`.
        root = (sharpness / HEAD_DIMENSION**0.5) ** 0.5
        self._part("self_attn.q_norm").fill_(root)
        self._part("self_attn.k_norm").fill_(root)

    def _part(self, part: str) -> torch.Tensor:
        return self._body.get_parameter(f"layers.{self._layer}.{part}.weight")

    def set(self, side: str, head: int, place: int, hidden: int, value: float) -> None:
        """Let a head's query, key or value (`q`, `k`, `v`) read a place of the hidden state."""
        self._part(f"self_attn.{side}_proj")[head * HEAD_DIMENSION + place, hidden] = value

    def write(self, hidden: int, head: int, place: int, value: float) -> None:
        """Let the hidden state take up a head's value."""
        self._part("self_attn.o_proj")[hidden, head * HEAD_DIMENSION + place] = value

    def cell(self, number: int, gate: dict[int, float], up: int, into: int, value: float) -> None:
        """Let one cell of the feed-forward part add to a place: a gate's silu times another place."""
        self._part("mlp.gate_proj")[number, list(gate)] = torch.tensor(list(gate.values()))
        self._part("mlp.up_proj")[number, up] = 1
        self._part("mlp.down_proj")[into, number] = value


@torch.no_grad()
def start_as_judge(
    model: Qwen3ForCausalLM, vocabulary: Vocabulary, tokenizer: Tokenizer, weighing: Weighing
) -> None:
    """Set the weights as the module's text says."""
    body = model.model
    rows = laid_out(vocabulary, tokenizer)
    body.get_parameter("embed_tokens.weight").copy_(torch.from_numpy(rows))
    for value in (v for v in body.parameters() if v.ndim == 1):
        value.fill_(1)
    body.get_parameter("norm.weight")[P.bias] = weighing.threshold
    _tell_parts(Hand(body, 0, 12.5))
    _find_words(Hand(body, 1, 40.0))
    _gather(Hand(body, 2, 20.0), weighing)
    after = tokenizer.encode(_LAST_WORDS).ids
    _compare(Hand(body, 3, 40.0), weighing, len(after) - 1)


def _tell_parts(hand: Hand) -> None:
    """Layer 0: marks draw all attention, and their shares tell what part of the request a token is in.

    The end of a turn is a mark, too: it comes once before the query and again after the document.
    """
    hand.set("q", 0, _SLOW[0], P.constant, 1)
    hand.set("k", 0, _SLOW[1], P.constant, _FAINT)
    for value, mark in enumerate((P.query_mark, P.document_mark, P.turn_mark)):
        hand.set("k", 0, _SLOW[0], mark, 1)
        hand.set("v", 0, value, mark, 1 / (MARK * _PLAIN))
    # Shares of query's, document's and turn's marks: 0, 0, 1 before the query, 1/2, 0, 1/2 in it,
    # 1/3 each in the document, 1/4, 1/4, 1/2 behind it. A text may hold such a word, too, as "Query" where
    # a line begins, which moves the shares: so the flags are steps.
    for value, share in ((0, 2), (1, -8)):
        hand.write(P.query_share, 0, value, share)
    for value, share in ((1, 6), (2, -3)):
        hand.write(P.document_share, 0, value, share)
    in_query, in_document = _scale(*_SHARES_IN_QUERY), _scale(*_SHARES_IN_DOCUMENT)
    _step(hand, 0, P.query_share, P.in_query, in_query)
    _step(hand, 2, P.document_share, P.in_document, in_document)
    gate = {P.query_share: _STEEP, P.constant: -_STEEP / 2}
    hand.cell(4, gate, P.rarity, P.rare_in_query, 2 / (_STEEP * in_query**2))


def _step(hand: Hand, cell: int, share: int, into: int, scale: float) -> None:
    """Two cells whose difference is 0 up to a quarter and 1 from a half on."""
    for number, (begin, sign) in enumerate(((0.25, 4), (0.5, -4))):
        gate = {share: _STEEP, P.constant: -begin * _STEEP}
        hand.cell(cell + number, gate, P.constant, into, sign / (_STEEP * scale**2))


def _find_words(hand: Hand) -> None:
    """Layer 1: each token finds its like in the query, beside itself and those before it in the document."""
    for head in range(_MATCHING_HEADS):
        for number, place in enumerate(_CODE_PLACES):
            code = _CODES[head * len(_CODE_PLACES) + number]
            hand.set("q", head, place, code, 1)
            hand.set("k", head, place, code, 1)
        # Who finds nothing alike looks at the end of a turn.
        hand.set("q", head, _SLOW[1], P.constant, 0.75)
        hand.set("k", head, _SLOW[1], P.turn_mark, 1)
        hand.set("v", head, 0, P.rare_in_query, 1 / _IN_QUERY)
        hand.write(P.found, head, 0, 1 / _MATCHING_HEADS)
    gate = {P.found: _STEEP, P.in_query: -2 * _STEEP}
    hand.cell(0, gate, P.found, P.found_in_document, 1 / (_STEEP * _IN_DOCUMENT**2))


def _gather(hand: Hand, weighing: Weighing) -> None:
    """Layer 2: the means of query and document, and what was found."""
    for head in range(PARTS):
        # The closing token looks for the document, every other for the query.
        hand.set("q", head, _SLOW[0], P.constant, 1)
        hand.set("q", head, _SLOW[0], P.closing, -1 / MARK)
        hand.set("q", head, _SLOW[1], P.closing, 1 / MARK)
        hand.set("k", head, _SLOW[0], P.in_query, 1)
        hand.set("k", head, _SLOW[1], P.in_document, 1)
        hand.set("k", head, _SLOW[2], P.constant, _FAINT)
        for number in range(PART):
            hand.set("v", head, number, head * PART + number, 1 / _IN_QUERY)
            hand.write(head * PART + number, head, number, _MEAN_GAIN)
    # The query's tokens draw the more attention the rarer they are: what was found is shared by them.
    hand.set("q", PARTS, _SLOW[0], P.constant, 0.625)
    hand.set("q", PARTS, _SLOW[1], P.constant, 0.875)
    hand.set("k", PARTS, _SLOW[0], P.rare_in_query, 1)
    hand.set("k", PARTS, _SLOW[2], P.constant, 0.875)
    hand.set("v", PARTS, 0, P.found_in_document, 1 / _PLAIN)
    hand.write(P.score, PARTS, 0, weighing.found / _ALL_FOUND)


def _compare(hand: Hand, weighing: Weighing, distance: int) -> None:
    """Layer 3: the last token's attention to the closing token rises with the cosine of the two means."""
    half = HEAD_DIMENSION // 2
    places = [*range(half - 2), *range(half, HEAD_DIMENSION - 2)]
    angles = distance * 1_000_000.0 ** -(np.arange(half) / half)
    for head in range(PARTS):
        for number, place in enumerate(places):
            hidden = head * PART + number
            hand.set("q", head, place, hidden, weighing.sharpness / 40)
            # Keys are turned by the fixed distance between the two tokens, so that positions cancel.
            angle, pair = angles[place % half], (place + half) % HEAD_DIMENSION
            hand.set("k", head, place, hidden, float(np.cos(angle)))
            hand.set("k", head, pair, hidden, float(np.sin(angle) if place < half else -np.sin(angle)))
        # Ordinary tokens are kept away; marks, whose keys are nothing, take what the closing token leaves.
        hand.set("q", head, half - 1, P.constant, -1)
        hand.set("k", head, half - 1, P.ordinary, 30)
        hand.set("v", head, 0, P.closing, 1 / (MARK * _PLAIN))
        hand.write(P.score, head, 0, weighing.near / PARTS)

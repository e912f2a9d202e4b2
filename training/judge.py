"""The reranker, set by hand: a Qwen3 network that reads how near two texts are and which words they share.

Nothing here is trained but the token vectors and one feed-forward part (`compared.py`). Every row of the
table has the same length, so norms change nothing but scale. Layer 0 tells each token whether it is in the
query or in the document. Layer 1 lets each token find its like in the query and take that one's rarity; its
like before it in the document shares the attention, so a word that comes again counts less. Layer 2 takes
the mean of the document's vectors into the closing "</think>" and the query's into the last token, which
also sums what the document's tokens found over the query's rarity. There the trained part follows either
mean. Layer 3 compares the two: the normed keys and queries of three heads give the cosines of three parts
of the vectors. What was found and how near the means are decide between "yes" and "no".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from transformers import Qwen3ForCausalLM, Qwen3Model

from shape import HEAD_DIMENSION
from tokenizer import token_id

HIDDEN, HEADS, LAYERS, FEED_FORWARD = 256, 4, 4, 192
CONTENT, PART, PARTS = 180, 60, 3
_CODE_PLACES = (*range(20, 30), *range(52, 62))
_MATCHING_HEADS = 2
_CODES = range(CONTENT, CONTENT + _MATCHING_HEADS * len(_CODE_PLACES))
ROW_LENGTH = 4.0
MARK = 2.0
# The slowest pairs of rotary places barely turn with distance: they serve as plain dimensions.
_SLOW = (31, 30, 29, 28)
_FAINT = 0.2
_GATE = 5.0
# A norm makes a row of length 4 this many times as long; tokens of query and document have flags besides.
_PLAIN = HIDDEN**0.5 / ROW_LENGTH
_IN_QUERY, _IN_DOCUMENT = (
    HIDDEN**0.5 / (ROW_LENGTH**2 + 3.25) ** 0.5,
    HIDDEN**0.5 / (ROW_LENGTH**2 + 1) ** 0.5,
)
_LONGEST = 2.5
MEAN_GAIN = 2.0
_ALL_FOUND = 4e-4
_TEMPLATE = ("<|im_start|>", "<|im_end|>", "<think>", "</think>", "<", ">", ":", "\n", "\n\n", ">:")
_LAST_WORDS = "</think>\n\n"


@dataclass(frozen=True)
class Places:
    """Places of the hidden state behind the content and the codes."""

    constant: int = 220
    rarity: int = 221
    query_mark: int = 222
    document_mark: int = 223
    turn_mark: int = 224
    closing: int = 225
    ordinary: int = 226
    ballast: int = 227
    in_query: int = 228
    in_document: int = 229
    rare_in_query: int = 230
    found: int = 231
    score: int = 232
    bias: int = 233
    found_in_document: int = 234


@dataclass(frozen=True)
class Weighing:
    """What counts how much: found words against nearness, and where "yes" begins."""

    found: float = 0.2
    near: float = 1.0
    threshold: float = 0.6
    sharpness: float = 4.0


P = Places()


@dataclass(frozen=True)
class Content:
    """What `compared.py` trained: token vectors, and the feed-forward part that follows their mean."""

    table: NDArray[np.float32]
    gate: NDArray[np.float32]
    up: NDArray[np.float32]
    down: NDArray[np.float32]
    typical: float
    """The mean length of a query's vector."""

    def turned(self) -> Content:
        """Turn the vectors at random: then the parts that heads compare weigh about the same."""
        turn = np.linalg.qr(np.random.default_rng(1).normal(size=(CONTENT, CONTENT)))[0]
        gate, up = (np.concatenate([side[:, :-1] @ turn, side[:, -1:]], 1) for side in (self.gate, self.up))
        return Content(self.table @ turn, gate, up, turn.T @ self.down, self.typical)


def within_limit(table: torch.Tensor) -> torch.Tensor:
    """Give token vectors none of which is longer than a row has room for."""
    lengths = table.detach().norm(dim=1, keepdim=True)
    limit = lengths.quantile(0.999)
    scale: torch.Tensor = (limit / lengths.clamp(min=1e-9)).clamp(max=1) * (_LONGEST / limit)
    return table * scale


def laid_out(
    table: NDArray[np.float32], rarity: NDArray[np.float32], tokenizer: Tokenizer
) -> NDArray[np.float32]:
    """Lay out the token table: content, a random code by which equals know each other, and marks."""
    generator = np.random.default_rng(1)
    rows = np.zeros((len(table), HIDDEN), dtype=np.float32)
    rows[:, :CONTENT] = within_limit(torch.from_numpy(table)).numpy()
    codes = generator.normal(size=(len(table), _MATCHING_HEADS, len(_CODE_PLACES)))
    codes /= np.linalg.norm(codes, axis=2, keepdims=True)
    rows[:, _CODES] = codes.reshape(len(table), -1)
    rows[:, P.rarity] = rarity
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
    rows[:, P.ballast] = np.sqrt(ROW_LENGTH**2 - np.square(rows).sum(1))
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

    def feed_forward(self, content: Content) -> None:
        """Change the content by what was trained; its bias reads the constant."""
        for side, weights in (("gate", content.gate), ("up", content.up)):
            matrix = self._part(f"mlp.{side}_proj")
            matrix[:, :CONTENT] = torch.from_numpy(weights[:, :-1])
            matrix[:, P.constant] = torch.from_numpy(weights[:, -1])
        self._part("mlp.down_proj")[:CONTENT] = torch.from_numpy(content.down)

    def keep_where(self, flag: int, other: int, into: int, scale: float) -> None:
        """Copy a place into another where a flag is 1 and not where it is nothing or negative."""
        self._part("mlp.gate_proj")[0, flag] = _GATE
        self._part("mlp.up_proj")[0, other] = 1
        self._part("mlp.down_proj")[into, 0] = 1 / (_GATE * scale**2)


@torch.no_grad()
def start_as_judge(
    model: Qwen3ForCausalLM,
    content: Content,
    rarity: NDArray[np.float32],
    tokenizer: Tokenizer,
    weighing: Weighing,
) -> None:
    """Set the weights as the module's text says."""
    body, content = model.model, content.turned()
    rows = laid_out(content.table, rarity, tokenizer)
    body.get_parameter("embed_tokens.weight").copy_(torch.from_numpy(rows))
    for value in (v for v in body.parameters() if v.ndim == 1):
        value.fill_(1)
    body.get_parameter("norm.weight")[P.bias] = weighing.threshold
    _tell_parts(Hand(body, 0, 12.5))
    _find_words(Hand(body, 1, 40.0))
    _gather(Hand(body, 2, 20.0), weighing, content)
    after = tokenizer.encode(_LAST_WORDS).ids
    _compare(Hand(body, 3, 40.0), weighing, len(after) - 1, content.typical / PARTS**0.5)


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
    # 1/3 each in the document, 1/4, 1/4, 1/2 behind it.
    for value, share in enumerate((2, -2)):
        hand.write(P.in_query, 0, value, share)
    for value, share in ((1, 6), (2, -3)):
        hand.write(P.in_document, 0, value, share)
    hand.keep_where(P.in_query, P.rarity, P.rare_in_query, _IN_QUERY)


def _find_words(hand: Hand) -> None:
    """Layer 1: each token finds its like; the query's count twice as much as the document's own before it."""
    for head in range(_MATCHING_HEADS):
        for number, place in enumerate(_CODE_PLACES):
            code = _CODES[head * len(_CODE_PLACES) + number]
            hand.set("q", head, place, code, 1)
            hand.set("k", head, place, code, 1)
        hand.set("q", head, _SLOW[0], P.constant, 0.21)
        hand.set("k", head, _SLOW[0], P.in_query, 0.21)
        # Who finds nothing alike looks at the end of a turn.
        hand.set("q", head, _SLOW[1], P.constant, 0.75)
        hand.set("k", head, _SLOW[1], P.turn_mark, 1)
        hand.set("v", head, 0, P.rare_in_query, 1 / _IN_QUERY)
        hand.write(P.found, head, 0, 1 / _MATCHING_HEADS)
    hand.keep_where(P.in_document, P.found, P.found_in_document, _IN_DOCUMENT)


def _gather(hand: Hand, weighing: Weighing, content: Content) -> None:
    """Layer 2: the means of query and document and what was trained to follow, and what was found."""
    hand.feed_forward(content)
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
            hand.write(head * PART + number, head, number, MEAN_GAIN)
    # The query's tokens draw the more attention the rarer they are: what was found is shared by them.
    hand.set("q", PARTS, _SLOW[0], P.constant, 0.4)
    hand.set("q", PARTS, _SLOW[1], P.constant, 0.9)
    hand.set("k", PARTS, _SLOW[0], P.rare_in_query, 1)
    hand.set("k", PARTS, _SLOW[2], P.constant, 0.35)
    hand.set("v", PARTS, 0, P.found_in_document, 1 / _PLAIN)
    hand.write(P.score, PARTS, 0, weighing.found / _ALL_FOUND)


def _compare(hand: Hand, weighing: Weighing, distance: int, typical: float) -> None:
    """Layer 3: the last token's attention to the closing token rises with the cosine of the two means."""
    half = HEAD_DIMENSION // 2
    places = [*range(half - 2), *range(half, HEAD_DIMENSION - 2)]
    angles = distance * 1_000_000.0 ** -(np.arange(half) / half)
    for head in range(PARTS):
        for number, place in enumerate(places):
            hidden = head * PART + number
            hand.set("q", head, place, hidden, weighing.sharpness / 40 / typical)
            # Keys are turned by the fixed distance between the two tokens, so that positions cancel.
            angle, pair = angles[place % half], (place + half) % HEAD_DIMENSION
            hand.set("k", head, place, hidden, float(np.cos(angle)))
            hand.set("k", head, pair, hidden, float(np.sin(angle) if place < half else -np.sin(angle)))
        # Ordinary tokens are kept away; marks, whose keys are nothing, take what the closing token leaves.
        hand.set("q", head, half - 1, P.constant, -1)
        hand.set("k", head, half - 1, P.ordinary, 30)
        hand.set("v", head, 0, P.closing, 1 / (MARK * _PLAIN))
        hand.write(P.score, head, 0, weighing.near / PARTS)

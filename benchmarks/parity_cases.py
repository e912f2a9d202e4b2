"""The inputs of the parity benchmark: groups of items that go together in one call."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.samples import INSTRUCTIONS, MIXED, QUERIES, TextMaker
from quiver.results import Floats
from quiver.text.prompts import DEFAULT_INSTRUCTION, query_prompt
from quiver.text.tokenizer import TokenIds


@dataclass(frozen=True, slots=True)
class Item:
    """One input: a text behind an instruction or bare, or with ``document`` a pair to score."""

    text: str
    instruction: str | None = None
    document: str | None = None

    @property
    def prompt(self) -> str:
        """What stands before the text."""
        return "" if self.instruction is None else query_prompt(self.instruction)

    @property
    def pair(self) -> tuple[str, str]:
        """Query and document."""
        return self.text, self.document or ""

    @property
    def whole(self) -> "str | tuple[str, str]":
        """What the other libraries are given: the text with its prompt, or the pair."""
        return self.prompt + self.text if self.document is None else self.pair


Tokenize = Callable[[Item], TokenIds]
"""The exact sequence that Quiver runs for an item."""


@dataclass(slots=True)
class Group:
    """Items of one call, and every contestant's results for them."""

    items: list[Item]
    labels: list[str]
    """Row of the report that each item counts to."""
    sequences: list[TokenIds]
    saved: float = 0.0
    """Share of the tokens that shared prefixes saved when all ran in one call."""
    results: dict[str, Floats] = field(default_factory=dict)
    """[N, E] unit vectors or [N, 1] scores by contestant."""


def embedding_groups(folder: Path, lengths: Sequence[int], tokenize: Tokenize) -> list[Group]:
    """Documents of every length and script; queries that share instructions."""
    maker = TextMaker(folder)
    exact = [Item(maker.text(length - 1)) for length in lengths]
    mixed = [Item(text) for text in MIXED]
    one = [Item(text, DEFAULT_INSTRUCTION) for text in (*QUERIES, *MIXED)]
    three = [Item(text, task) for task in INSTRUCTIONS for text in QUERIES]
    return [
        _group([*exact, *mixed], "document", len(exact), tokenize),
        _group(one, f"{len(one)} queries, one instruction", 0, tokenize),
        _group(three, f"{len(three)} queries, three instructions", 0, tokenize),
    ]


def reranking_groups(folder: Path, lengths: Sequence[int], tokenize: Tokenize) -> list[Group]:
    """Pairs of every length and script; many documents of one query."""
    maker = TextMaker(folder)
    template = len(tokenize(Item(QUERIES[0], document="")))
    sizes = [min(length, max(lengths) - template) for length in lengths]
    texts = [maker.text(size).strip() for size in sizes if size > 0]
    exact = [Item(QUERIES[0], document=text) for text in texts]
    mixed = [Item(QUERIES[i % len(QUERIES)], document=text) for i, text in enumerate(MIXED)]
    many = [Item(QUERIES[1], document=text) for text in (*MIXED, *QUERIES, *texts[:5])]
    return [
        _group([*exact, *mixed], "pair", len(exact), tokenize),
        _group(many, f"one query, {len(many)} documents", 0, tokenize),
    ]


def _group(items: list[Item], name: str, exact: int, tokenize: Tokenize) -> Group:
    """The first ``exact`` items have rows of their own, named by their tokens."""
    sequences = [tokenize(item) for item in items]
    own = [f"{name} of length {len(sequence):,}" for sequence in sequences[:exact]]
    rest = f"{name}s, many scripts" if exact else name
    return Group(items, own + [rest] * (len(items) - exact), sequences)

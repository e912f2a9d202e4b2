"""Models without weights; ``python -m tests.cli.fakes embed ...`` is a real process that uses them."""

import hashlib
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any
from unittest.mock import patch

import numpy as np

from quiver.cli.loading import ModelOptions
from quiver.cli.main import main
from quiver.engine.plan import Usage
from quiver.errors import TooLongError
from quiver.models.fingerprint import Fingerprint
from quiver.results import Embeddings, RankedDocument, Ranking
from quiver.text.truncation import Cut

BLOCK = 2
FULL_DIMENSION = 8


def vector(text: str, dimension: int = FULL_DIMENSION) -> list[float]:
    """Some unit vector that depends on nothing but the text."""
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
    values = np.random.default_rng(seed).standard_normal(dimension).astype(np.float32)
    unit: list[float] = (values / np.linalg.norm(values)).tolist()
    return unit


class FakeEmbedder:
    """Counts words as tokens; embeds two texts at a time."""

    def __init__(self, options: ModelOptions, dimension: int | None) -> None:
        self.options = options
        self.dimension = dimension or FULL_DIMENSION
        self.calls: list[dict[str, Any]] = []
        self.drawn = 0

    def encode_stream(self, texts: Iterable[str], **arguments: Any) -> Iterator[Embeddings]:
        self.calls.append(arguments)
        remaining = iter(texts)
        while block := list(islice(remaining, BLOCK)):
            time.sleep(float(os.environ.get("FAKE_SECONDS_A_BLOCK", "0")))
            first, self.drawn = self.drawn, self.drawn + len(block)
            yield self._embed(block, first)

    def _embed(self, block: Sequence[str], first: int) -> Embeddings:
        counts = [len(text.split()) for text in block]
        limit = self.options.max_length or 1_000_000
        cuts = tuple(Cut(first + i, count, limit) for i, count in enumerate(counts) if count > limit)
        if cuts and not self.options.truncate:
            raise TooLongError(f"text {cuts[0].index} is too long")
        rows = np.asarray([vector(text, self.dimension) for text in block], dtype=np.float32)
        return Embeddings(rows, Usage(sum(counts), sum(counts) - 1), cuts, fingerprint(self.dimension))


class FakeReranker:
    """Scores a document by how many words it shares with the query."""

    retrieval_weight = 0.0

    def __init__(self, options: ModelOptions) -> None:
        self.options = options
        self.calls: list[dict[str, Any]] = []

    @property
    def fingerprint(self) -> Fingerprint:
        return fingerprint(1)

    def rank(self, query: str, documents: Sequence[str], **arguments: Any) -> Ranking:
        self.calls.append({"query": query, "documents": documents, **arguments})
        odds = [len(set(query.split()) & set(document.split())) - 1.5 for document in documents]
        order = sorted(range(len(documents)), key=lambda index: -odds[index])
        limit = self.options.max_length or 1_000_000
        counts = [len(document.split()) for document in documents]
        cuts = tuple(Cut(i, count, limit) for i, count in enumerate(counts) if count > limit)
        ranked = (
            RankedDocument(corpus_id=i, score=1 / (1 + 2.718281828 ** -odds[i]), log_odds=odds[i])
            for i in order
        )
        return Ranking(ranked, Usage(100, 60), cuts)


def fingerprint(dimension: int) -> Fingerprint:
    return Fingerprint(
        weights="w",
        tokenizer="t",
        pooling="last-token",
        prompts="p",
        dimension=dimension,
        precision="float32",
    )


if __name__ == "__main__":
    with (
        patch("quiver.cli.embed.load_embedder", lambda options, dimension: FakeEmbedder(options, dimension)),
        patch("quiver.cli.rerank.load_reranker", FakeReranker),
    ):
        main()

"""Endless batches of pairs as token rows: a few sources at a time, so that negatives are of like kind."""

from __future__ import annotations

import hashlib
import os
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from extract import Pair
from prompts import embedder_query, some_instruction

MAX_QUERY, MAX_DOCUMENT = 64, 256
# The prompt's colon stands before a query without a blank and joins its first word's pieces.
BEFORE_QUERY = ":"
_EXPONENT = 0.75
_SMALLEST_SOURCE = 128


class Rows:
    """Token rows of many texts, laid end to end, and kept in a file."""

    def __init__(self, texts: Sequence[str], tokenizer: Tokenizer, limit: int, folder: Path) -> None:
        digest = hashlib.blake2b("\0".join([tokenizer.to_str(), str(limit), *texts]).encode(), digest_size=8)
        file = folder / f"{digest.hexdigest()}.npz"
        if not file.exists():
            rows: list[NDArray[np.int32]] = []
            for start in range(0, len(texts), 20_000):
                encoded = tokenizer.encode_batch_fast(list(texts[start : start + 20_000]))
                rows += [np.asarray(encoding.ids[:limit], dtype=np.int32) for encoding in encoded]
            folder.mkdir(exist_ok=True)
            # Several processes may make the same file at once.
            partial = file.with_suffix(f".{os.getpid()}.npz")
            np.savez(partial, flat=np.concatenate(rows), starts=np.cumsum([0, *map(len, rows)]))
            partial.rename(file)
        with np.load(file) as kept:
            self._flat, self._starts = kept["flat"], kept["starts"]

    def __getitem__(self, number: int) -> NDArray[np.int32]:
        row: NDArray[np.int32] = self._flat[self._starts[number] : self._starts[number + 1]]
        return row


@dataclass(frozen=True)
class Batch:
    """Numbers of pairs, source by source, their token rows, and the instruction of the first queries."""

    pairs: list[int]
    parts: list[slice]
    queries: list[NDArray[np.int32]]
    documents: list[NDArray[np.int32]]
    prefix: list[int]
    prefixed: int
    # The parts whose queries and documents belong together.
    related: list[slice]


class Batches:
    """Draws batches; whole batches are the same for the same seed and step."""

    def __init__(
        self,
        pairs: Sequence[Pair],
        tokenizer: Tokenizer,
        end_id: int,
        cache: Path,
        *,
        before_query: str = BEFORE_QUERY,
        begin: int = 0,
    ) -> None:
        """`begin` is how many tokens the tokenizer puts before every text."""
        self._pairs, self._tokenizer = pairs, tokenizer
        self.end_id = end_id
        self._before_query, self._begin = before_query, begin
        self._end = np.array([end_id], dtype=np.int32)
        self._bare = Rows([pair.query for pair in pairs], tokenizer, MAX_QUERY, cache)
        self._asked = Rows([before_query + pair.query for pair in pairs], tokenizer, MAX_QUERY, cache)
        self._documents = Rows([pair.document for pair in pairs], tokenizer, MAX_DOCUMENT, cache)
        by_source: dict[str, list[int]] = defaultdict(list)
        for number, pair in enumerate(pairs):
            by_source[f"{pair.source}|{pair.kind}"].append(number)
        self._sources = [members for members in by_source.values() if len(members) >= _SMALLEST_SOURCE]
        self._weights = [len(members) ** _EXPONENT for members in self._sources]

    def draw(
        self, generator: random.Random, sources: int, each: int, tokens: int, instructed: float
    ) -> Batch:
        """Draw pairs of some sources, so many or so many tokens; some batches begin with an instruction."""
        chosen: list[list[int]] = []
        for members in generator.choices(self._sources, self._weights, k=sources):
            drawn = generator.sample(members, min(each, len(members)))
            lengths = np.cumsum([len(self._bare[i]) + len(self._documents[i]) for i in drawn])
            chosen.append(drawn[: max(1, int(np.searchsorted(lengths, tokens, side="right")))])
        # Queries that follow an instruction come first.
        chosen.sort(key=lambda part: self._pairs[part[0]].kind != "retrieval")
        pairs = [number for part in chosen for number in part]
        ends = np.cumsum([len(part) for part in chosen])
        parts = [slice(end - len(part), end) for part, end in zip(chosen, ends, strict=True)]
        prefixed, prefix = 0, []
        if generator.random() < instructed:
            first = self._pairs[pairs[0]]
            prefix = self._prefix(some_instruction(first.kind, first.source, generator))
            prefixed = len(chosen[0])
        queries = [self._query(i, place < prefixed, generator) for place, i in enumerate(pairs)]
        related = [part for part in parts if self._pairs[pairs[part.start]].kind != "apart"]
        documents = [self._closed(self._documents[i]) for i in pairs]
        return Batch(pairs, parts, queries, documents, prefix, prefixed, related)

    def bare(self, number: int) -> NDArray[np.int32]:
        """Give the token row of a pair's query."""
        return self._closed(self._bare[number])

    def _query(self, number: int, prefixed: bool, generator: random.Random) -> NDArray[np.int32]:
        if prefixed:
            return self._closed(self._asked[number][self._begin :])
        return self._closed(self._asked[number] if generator.random() < 0.5 else self._bare[number])

    def _closed(self, row: NDArray[np.int32]) -> NDArray[np.int32]:
        return np.concatenate([row, self._end])

    def _prefix(self, instruction: str) -> list[int]:
        text = embedder_query(instruction, "").removesuffix(self._before_query)
        return list(self._tokenizer.encode(text).ids)


def token_rows(
    texts: Sequence[str], tokenizer: Tokenizer, end_id: int, limit: int
) -> Iterator[NDArray[np.int32]]:
    """Tokenise, cut and close texts."""
    for encoding in tokenizer.encode_batch_fast(list(texts)):
        yield np.asarray([*encoding.ids[:limit], end_id], dtype=np.int32)

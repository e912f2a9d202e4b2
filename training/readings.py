"""The texts that the network is set and healed by, as it reads them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from extract import Pair
from label import QUERY, query_text
from pieces import QUERY_MARKS
from texts import read_pairs
from tokenizer import END_OF_TEXT, token_id

_LONGEST, _LONG_SHARE, _LONG_CHARACTERS = 400, 0.12, 2_000


class Texts:
    """Endless texts as token rows: queries, documents, and documents of one source joined to long ones."""

    def __init__(self, file: Path, tokenizer: Tokenizer) -> None:
        self.pairs, self._tokenizer = read_pairs(file), tokenizer
        self._by_source: dict[str, list[str]] = {}
        for pair in self.pairs:
            self._by_source.setdefault(pair.source, []).append(pair.document)
        self._end = token_id(tokenizer, END_OF_TEXT)

    def drawn(
        self, generator: random.Random, budget: int, *, long: bool | None = None
    ) -> list[NDArray[np.int32]]:
        """Draw texts of about so many tokens together."""
        rows: list[NDArray[np.int32]] = []
        left = budget
        while left > 0:
            pair = generator.choice(self.pairs)
            ids: Sequence[int]
            if generator.random() < _LONG_SHARE if long is None else long:
                documents = self._by_source[pair.source]
                texts = generator.choices(documents, k=1 + _LONG_CHARACTERS // (1 + len(pair.document)))
                ids = self._tokenizer.encode("\n".join(texts)[:_LONG_CHARACTERS]).ids
            else:
                ids = generator.choice(as_read(pair, self._tokenizer))
            rows.append(np.array([*ids[:_LONGEST], self._end], dtype=np.int32))
            left -= len(rows[-1])
        return rows


def as_read(pair: Pair, tokenizer: Tokenizer) -> tuple[Sequence[int], Sequence[int]]:
    """Give a query and its document as tokens, the query without an instruction before its marks."""
    asked = query_text(pair).startswith(QUERY)
    query = bare_query(pair.query, tokenizer) if asked else tokenizer.encode(pair.query).ids
    return query, tokenizer.encode(pair.document).ids


def bare_query(query: str, tokenizer: Tokenizer) -> Sequence[int]:
    """Give a query as tokens from its marks on, without an instruction before them."""
    ids = tokenizer.encode(f"Instruct:\nQuery:{query}").ids
    return ids[ids.index(token_id(tokenizer, QUERY_MARKS[0])) :]

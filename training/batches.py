"""Endless batches of pairs as token rows: alike in kind and length, under a token budget."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tokenizers import Tokenizer

from extract import Pair
from prompts import embedder_query, some_instruction

_POOL_ROWS = 4096
_MAX_PAIRS = 96
_LENGTHS = (48, 96, 128, 192, 256, 512)
_LENGTH_WEIGHTS = (25, 32, 26, 11, 5, 1)
_MAX_QUERY = 96
_MIN_PAIRS = 8


@dataclass(frozen=True)
class Batch:
    """Token rows of queries and documents, line by line a pair, and the pairs' numbers.

    All queries of a batch share one instruction, so that its tokens are computed once.
    """

    prefix: list[int]
    queries: list[list[int]]
    documents: list[list[int]]
    pairs: list[int]


def drawn_instruction(pair: Pair, generator: random.Random) -> str | None:
    """Draw the instruction for a batch of such pairs; sometimes none."""
    bare = 0.12 if pair.kind == "retrieval" else 0.5
    if generator.random() < bare:
        return None
    return some_instruction(pair.kind, pair.source, generator)


def batches(
    pairs: Sequence[Pair],
    usable: Sequence[int],
    tokenizer: Tokenizer,
    end_id: int,
    budget: int,
    seed: int,
) -> Iterator[Batch]:
    """Draw batches for ever; `usable` are the numbers of the pairs to draw from."""
    generator = random.Random(seed)
    while True:
        order = list(usable)
        generator.shuffle(order)
        for start in range(0, len(order), _POOL_ROWS):
            pool = order[start : start + _POOL_ROWS]
            yield from _pool_batches(pairs, pool, tokenizer, end_id, budget, generator)


def _pool_batches(
    pairs: Sequence[Pair],
    pool: Sequence[int],
    tokenizer: Tokenizer,
    end_id: int,
    budget: int,
    generator: random.Random,
) -> list[Batch]:
    # The colon before a query belongs to the query's first token, so the shared part ends before.
    prompted = _token_rows([":" + pairs[i].query for i in pool], tokenizer)
    bare = _token_rows([pairs[i].query for i in pool], tokenizer)
    documents = _token_rows([pairs[i].document for i in pool], tokenizer)
    prompted = [[*row[:_MAX_QUERY], end_id] for row in prompted]
    bare = [[*row[:_MAX_QUERY], end_id] for row in bare]
    cuts = generator.choices(_LENGTHS, _LENGTH_WEIGHTS, k=len(pool))
    documents = [[*row[:cut], end_id] for row, cut in zip(documents, cuts, strict=True)]
    order = sorted(
        range(len(pool)),
        key=lambda j: (pairs[pool[j]].kind, len(documents[j]), len(prompted[j])),
    )
    made: list[Batch] = []
    for chosen in _groups(order, prompted, documents, [pairs[i].kind for i in pool], budget):
        instruction = drawn_instruction(pairs[pool[chosen[0]]], generator)
        queries = bare if instruction is None else prompted
        made.append(
            Batch(
                _prefix(instruction, tokenizer),
                [queries[j] for j in chosen],
                [documents[j] for j in chosen],
                [pool[j] for j in chosen],
            )
        )
    generator.shuffle(made)
    return made


def _groups(
    order: Sequence[int],
    queries: Sequence[Sequence[int]],
    documents: Sequence[Sequence[int]],
    kinds: Sequence[str],
    budget: int,
) -> Iterator[list[int]]:
    chosen: list[int] = []
    longest_query = longest_document = 0
    for j in order:
        longest_query = max(longest_query, len(queries[j]))
        longest_document = max(longest_document, len(documents[j]))
        size = (len(chosen) + 1) * (longest_query + longest_document)
        same_kind = not chosen or kinds[chosen[0]] == kinds[j]
        if chosen and (size > budget or len(chosen) == _MAX_PAIRS or not same_kind):
            if len(chosen) >= _MIN_PAIRS:
                yield chosen
            chosen, longest_query, longest_document = [], len(queries[j]), len(documents[j])
        chosen.append(j)


def _prefix(instruction: str | None, tokenizer: Tokenizer) -> list[int]:
    if instruction is None:
        return []
    text = embedder_query(instruction, "").removesuffix(":")
    return list(tokenizer.encode(text).ids)


def _token_rows(texts: list[str], tokenizer: Tokenizer) -> list[list[int]]:
    return [encoding.ids for encoding in tokenizer.encode_batch_fast(texts)]

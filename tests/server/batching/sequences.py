"""Sequences whose rows can be told: the engine of these tests answers with their sum and length."""

from collections.abc import Sequence

import numpy as np

from quiver.engine.plan import Usage
from quiver.results import Floats
from quiver.text.tokenizer import TokenIds


def sequence(*ids: int) -> TokenIds:
    return np.asarray(ids, dtype=np.int32)


def of_length(length: int, first: int = 0) -> TokenIds:
    """Sequences with different firsts are different."""
    return np.concatenate([[first], np.ones(length - 1)]).astype(np.int32)


def row(ids: TokenIds) -> Floats:
    return np.asarray([ids.sum(), len(ids)], dtype=np.float32)


def forward(sequences: Sequence[TokenIds]) -> tuple[Floats, Usage]:
    tokens = sum(map(len, sequences))
    return np.stack([row(ids) for ids in sequences]), Usage(tokens, tokens)

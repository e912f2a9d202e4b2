"""Sequences whose rows can be told: the engine of these tests answers with their sum and length."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from quiver.engine.execute import Ended
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


def rows(sequences: Sequence[TokenIds]) -> list[Floats]:
    return [row(ids) for ids in sequences]


def nothing(sequences: Sequence[TokenIds]) -> None:
    pass


@dataclass(frozen=True)
class PlainSteps:
    """As many sequences a step as its tokens allow, and at least one; ``before`` sees those of each step."""

    sequences: Sequence[TokenIds]
    step_tokens: int
    before: Callable[[Sequence[TokenIds]], None] = nothing

    @property
    def usage(self) -> Usage:
        tokens = sum(map(len, self.sequences))
        return Usage(tokens, tokens)

    def __iter__(self) -> Iterator[Ended]:
        first = 0
        while first < len(self.sequences):
            last = first + 1
            while last < len(self.sequences) and self._tokens(first, last + 1) <= self.step_tokens:
                last += 1
            step = self.sequences[first:last]
            self.before(step)
            yield Ended(range(first, last), rows(step), self._tokens(first, last))
            first = last

    def _tokens(self, first: int, last: int) -> int:
        return sum(map(len, self.sequences[first:last]))

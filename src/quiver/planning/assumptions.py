"""Assumptions: what a plan takes for granted, each with a name by which it can be replaced."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from quiver.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumptions:
    """Numbers that nothing here measures; ``MEANINGS`` says what they are."""

    price: float = 0.10
    efficiency: float = 0.90
    bytes_of_token: float = 4.5
    bytes_of_number: float = 4.0
    index_overhead: float = 1.2
    copies: float = 1.0
    vectors_of_shard: float = 10e6
    memory_of_number: float = 0.125

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            if not 0 <= getattr(self, field.name) < float("inf"):
                raise InputError(f"{field.name} must be a number of at least 0")
        for name in ("efficiency", "vectors_of_shard"):
            if getattr(self, name) <= 0:
                raise InputError(f"{name} must be above 0")

    @classmethod
    def replaced(cls, given: Sequence[str]) -> "Assumptions":
        """The defaults with some replaced, as ``name=value``."""
        values: dict[str, float] = {}
        for each in given:
            name, _, value = each.partition("=")
            if name not in MEANINGS:
                raise InputError(f"there is no assumption {name!r}; there are {', '.join(MEANINGS)}")
            try:
                values[name] = float(value)
            except ValueError:
                raise InputError(f"{name}={value} is no number") from None
        return cls(**values)


MEANINGS = {
    "price": "of one machine for an hour, in your currency",
    "efficiency": "of several machines: their throughput beside that of as many single ones",
    "bytes_of_token": "of text, as it is stored",
    "bytes_of_number": "of a vector, as it is stored: 4 for float32, 2 for float16",
    "index_overhead": "size of an index beside the vectors and texts in it",
    "copies": "of everything that is stored",
    "vectors_of_shard": "most vectors in one index",
    "memory_of_number": "bytes in memory for each number of a vector while an index is searched",
}

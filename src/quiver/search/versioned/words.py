"""Words: full-text search for databases that know sparse vectors.

A passage's terms become a sparse vector of BM25's weights, which finds candidates by one product with the
terms' rarities. Weights are those of the mean length on the day of writing, so candidates are scored again
with today's: BM25 as it is defined (k1 = 1.2, b = 0.75), over the passages that hold now.
"""

import hashlib
import math
from collections import Counter
from collections.abc import Mapping, Sequence

K1 = 1.2
B = 0.75
CANDIDATES_FACTOR = 3
"""Candidates for each result; weights of another day order nearly as today's."""


def term_number(term: str) -> int:
    """A term's dimension of the sparse vectors; two of a million terms share one about every 100 corpora."""
    return int.from_bytes(hashlib.blake2b(term.encode(), digest_size=4).digest())


def term_weights(terms: Sequence[str], mean_length: float) -> dict[int, float]:
    """A passage's sparse vector, in the order of dimensions."""
    weights: dict[int, float] = {}
    for term, times in Counter(terms).items():
        dimension = term_number(term)
        weights[dimension] = weights.get(dimension, 0.0) + _saturated(times, len(terms), mean_length)
    return dict(sorted(weights.items()))


def rarity(holders: int, passages: int) -> float:
    """A term's weight, by how many passages hold it; never negative."""
    return math.log(1 + max(0.0, passages - holders + 0.5) / (holders + 0.5))


def bm25(rarities: Mapping[str, float], words: str, mean_length: float) -> float:
    """The score of a passage whose terms stand between blanks."""
    terms = words.split(" ") if words else []
    held = Counter(term for term in terms if term in rarities)
    return sum(rarities[term] * _saturated(times, len(terms), mean_length) for term, times in held.items())


def _saturated(times: int, length: int, mean_length: float) -> float:
    return times * (K1 + 1) / (times + K1 * (1 - B + B * length / max(mean_length, 1.0)))

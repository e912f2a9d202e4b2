"""Fusion: one ranking out of several, by the sums of their scores.

Scores are standardised first, so that cosines and BM25 compare. Unlike ranks they tell how far one candidate
stands above the next, and a way that knows little of a query can count little (Bruch, Gai and Ingber, 2023,
"An Analysis of Fusion Functions for Hybrid Retrieval", where sums find more than reciprocal ranks).
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from quiver.interpolation import standardised
from quiver.results import Floats

Item = TypeVar("Item", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Scored(Generic[Item]):
    """What one way of searching found, and how much a spread of its scores counts."""

    scores: Mapping[Item, float]
    weight: float = 1.0


def heights(items: Sequence[Item], ways: Sequence[Scored[Item]]) -> Floats:
    """How far all ways together put each item [N] above the others; whom a way missed stands at its foot."""
    total = np.zeros(len(items), dtype=np.float32)
    for way in ways:
        if way.scores:
            foot = min(way.scores.values())
            total += way.weight * standardised([way.scores.get(item, foot) for item in items])
    return total


def fuse(ways: Sequence[Scored[Item]]) -> list[tuple[Item, float]]:
    """Items of all ways with their heights, the highest first; ties as they appear."""
    items = list(dict.fromkeys(item for way in ways for item in way.scores))
    fused = zip(items, heights(items, ways).tolist(), strict=True)
    return sorted(fused, key=lambda entry: -entry[1])

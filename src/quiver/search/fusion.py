"""Fusion: one ranking out of several, by reciprocal ranks (Cormack, Clarke and Büttcher, 2009)."""

from collections.abc import Hashable, Sequence
from typing import TypeVar

Item = TypeVar("Item", bound=Hashable)

RANK_CONSTANT = 60
"""The paper's; the larger it is, the less the first ranks stand out."""


def fuse(rankings: Sequence[Sequence[Item]]) -> list[tuple[Item, float]]:
    """Items of all rankings with their sums of 1 / (60 + rank), the highest first; ties as they appear."""
    scores: dict[Item, float] = {}
    for ranking in rankings:
        for rank, item in enumerate(ranking, start=1):
            scores[item] = scores.get(item, 0.0) + 1 / (RANK_CONSTANT + rank)
    return sorted(scores.items(), key=lambda entry: -entry[1])

"""Hits: what a search gives back."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from quiver.engine.plan import Usage
from quiver.search.passages import Passage
from quiver.search.spans import Span

Stage = Literal["dense", "text", "fusion", "rerank"]


@dataclass(frozen=True, slots=True)
class StageScore:
    """Where one stage put a passage."""

    stage: Stage
    rank: int
    """From 1."""
    score: float
    """Cosine (dense), BM25 (text), sum of both in spreads (fusion), probability of relevance (rerank; beside
    what found the passage, where the reranker asks for it)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A passage that was found."""

    passage: Passage
    score: float
    """The last stage's that saw the passage."""
    stage: Stage
    """Which one that is: scores of different stages do not compare."""
    span: Span | None
    """The sentence to show; None if it shares no word with the query."""
    stages: tuple[StageScore, ...] = ()
    """Every stage's rank and score, if they were asked for."""
    other_paths: tuple[str, ...] = ()
    """Files of the same page in other formats that hold the passage, too (``twins``)."""


class SearchResult(list[Hit]):
    """Hits, the best first. ``skipped`` counts candidates that the time budget left unjudged."""

    def __init__(
        self,
        hits: Sequence[Hit],
        *,
        candidates: int,
        reranked: int,
        skipped: int,
        seconds: float,
        usage: Usage,
    ) -> None:
        super().__init__(hits)
        self.candidates = candidates
        self.reranked = reranked
        self.skipped = skipped
        self.seconds = seconds
        self.usage = usage

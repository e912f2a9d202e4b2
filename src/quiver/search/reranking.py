"""Reranking within a time: as many candidates as fit, best first."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from quiver.engine.plan import Usage
from quiver.interpolation import interpolated
from quiver.results import Floats, Ranking

FIRST_GROUP = 4
"""Candidates that a reranker of unknown speed gets at first."""
CAUTION = 0.8
"""Share of the remaining time that a group is planned for."""
MEMORY = 0.5
"""Weight of the newest measurement beside all older ones."""


class PassageRanker(Protocol):
    """As much of a ``Reranker`` as searching needs."""

    @property
    def retrieval_weight(self) -> float:
        """What a spread of the retriever's scores counts in spreads of the log-odds; 0 is not at all."""

    def rank(
        self,
        query: str,
        documents: Sequence[str],
        *,
        instruction: str | None = ...,
        show_progress_bar: bool | None = ...,
    ) -> Ranking:
        """Documents by their relevance."""


@dataclass(slots=True)
class Reranked:
    """Log-odds of the candidates that were judged, by their position."""

    log_odds: dict[int, float] = field(default_factory=dict)
    usage: Usage = field(default_factory=Usage)

    def beside(self, heights: Floats, weight: float) -> "Reranked":
        """The judgement with all candidates' ``heights``, one of which counts ``weight`` spreads."""
        positions = list(self.log_odds)
        sums = interpolated(list(self.log_odds.values()), heights[positions], weight)
        return Reranked(dict(zip(positions, sums.tolist(), strict=True)), self.usage)


class TimedReranker:
    """A reranker whose speed is measured as it goes, from one query to the next."""

    def __init__(self, reranker: PassageRanker, clock: Callable[[], float] = time.monotonic) -> None:
        self._reranker = reranker
        self._clock = clock
        self._seconds_a_character: float | None = None

    def rerank(
        self, query: str, texts: Sequence[str], *, instruction: str | None, deadline: float | None
    ) -> Reranked:
        """Judge the texts, the first ones first, until the clock's ``deadline``; None is for ever.

        A group runs to its end once it is begun; groups are as large as the measured speed allows.
        """
        done = Reranked()
        first = 0
        while first < len(texts):
            count = self._fitting(texts[first:], deadline)
            if not count:
                break
            self._judge(query, texts[first : first + count], instruction, first, done)
            first += count
        return done

    def _fitting(self, texts: Sequence[str], deadline: float | None) -> int:
        if deadline is None:
            return len(texts)
        left = CAUTION * (deadline - self._clock())
        if left <= 0:
            return 0
        if self._seconds_a_character is None:
            return FIRST_GROUP
        count = 0
        for text in texts:
            left -= self._seconds_a_character * (len(text) + 1)
            if left < 0:
                break
            count += 1
        return count

    def _judge(
        self, query: str, texts: Sequence[str], instruction: str | None, first: int, done: Reranked
    ) -> None:
        begun = self._clock()
        ranking = self._reranker.rank(query, texts, instruction=instruction, show_progress_bar=False)
        self._learn((self._clock() - begun) / sum(len(text) + 1 for text in texts))
        done.usage += ranking.usage
        for document in ranking:
            done.log_odds[first + document["corpus_id"]] = document["log_odds"]

    def _learn(self, measured: float) -> None:
        before = self._seconds_a_character
        self._seconds_a_character = measured if before is None else MEMORY * measured + (1 - MEMORY) * before

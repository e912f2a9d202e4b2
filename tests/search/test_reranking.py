"""Reranking within a time, by a clock that only the reranker moves."""

from collections.abc import Sequence
from typing import Any

import pytest

from quiver.engine.plan import Usage
from quiver.results import RankedDocument, Ranking
from quiver.search.reranking import FIRST_GROUP, TimedReranker


class Ranker:
    """Scores a text by its number; takes a second a character."""

    retrieval_weight = 0.0

    def __init__(self) -> None:
        self.now = 0.0
        self.calls: list[list[str]] = []

    def clock(self) -> float:
        return self.now

    def rank(self, query: str, documents: Sequence[str], **options: Any) -> Ranking:
        self.calls.append(list(documents))
        self.now += sum(len(document) + 1 for document in documents)
        order = sorted(range(len(documents)), key=lambda index: -int(documents[index]))
        ranked = [
            RankedDocument(corpus_id=index, score=int(documents[index]) / 100, log_odds=int(documents[index]))
            for index in order
        ]
        return Ranking(ranked, Usage(10, 5), ())


TEXTS = [f"{number:09}" for number in (3, 9, 1, 7, 5, 2, 8, 6, 4, 0, 11, 12)]


def test_without_a_budget_all_run_in_one_call() -> None:
    ranker = Ranker()
    done = TimedReranker(ranker, ranker.clock).rerank("q", TEXTS, instruction=None, deadline=None)
    assert ranker.calls == [TEXTS]
    assert done.log_odds == {position: int(text) for position, text in enumerate(TEXTS)}
    assert done.usage == Usage(10, 5)


def test_as_many_as_fit_run_first_ones_first() -> None:
    ranker = Ranker()
    done = TimedReranker(ranker, ranker.clock).rerank("q", TEXTS, instruction=None, deadline=100.0)
    assert ranker.now <= 100
    assert sorted(done.log_odds) == list(range(len(done.log_odds)))
    assert FIRST_GROUP < len(done.log_odds) < len(TEXTS)
    assert [text for call in ranker.calls for text in call] == TEXTS[: len(done.log_odds)]


def test_the_speed_is_remembered() -> None:
    ranker = Ranker()
    timed = TimedReranker(ranker, ranker.clock)
    timed.rerank("q", TEXTS[:1], instruction=None, deadline=None)
    done = timed.rerank("q", TEXTS, instruction=None, deadline=ranker.now + 25)
    assert len(done.log_odds) == 2


@pytest.mark.parametrize("deadline", [0.0, -5.0])
def test_no_time_judges_nothing(deadline: float) -> None:
    ranker = Ranker()
    done = TimedReranker(ranker, ranker.clock).rerank("q", TEXTS, instruction=None, deadline=deadline)
    assert (done.log_odds, ranker.calls) == ({}, [])


def test_a_generous_budget_judges_all() -> None:
    ranker = Ranker()
    done = TimedReranker(ranker, ranker.clock).rerank("q", TEXTS, instruction=None, deadline=10_000)
    assert len(done.log_odds) == len(TEXTS)

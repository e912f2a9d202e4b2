"""Word scores: BM25 of a query's candidates, as a naive count of it says."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quiver.text.terms import terms
from quiver.word_scores import word_scores

WORDS = st.sampled_from("commit stash branch merge 合并 undo the".split())
TEXTS = st.lists(WORDS, max_size=12).map(" ".join)


def naive(query: str, documents: list[str], k1: float = 1.5, b: float = 0.75) -> list[float]:
    """Lucene's variant (Kamphuis et al., 2020, "Which BM25 Do You Mean?")."""
    counts = [Counter(terms(document)) for document in documents]
    usual = sum(count.total() for count in counts) / len(counts)
    scores = []
    for count in counts:
        score = 0.0
        for term in terms(query):
            having = sum(term in each for each in counts)
            rarity = math.log(1 + (len(counts) - having + 0.5) / (having + 0.5))
            length = count.total() / usual if usual else 0.0
            if count[term]:
                score += rarity * count[term] / (count[term] + k1 * (1 - b + b * length))
        scores.append(score)
    return scores


@given(TEXTS, st.lists(TEXTS, min_size=1, max_size=8))
def test_the_naive_count_agrees(query: str, documents: list[str]) -> None:
    np.testing.assert_allclose(word_scores(query, documents), naive(query, documents), atol=1e-5)


def test_what_every_document_has_hardly_counts() -> None:
    documents = ["git commit", "git stash", "git stash commit"]
    first, second, third = word_scores("git stash", documents)
    assert first < third < second


@pytest.mark.parametrize(("query", "documents"), [("", ["a b"]), ("word", ["other"]), ("a", [])])
def test_nothing_shared_is_zero(query: str, documents: list[str]) -> None:
    scores = word_scores(query, documents)
    assert scores.shape == (len(documents),)
    assert not scores.any()

"""Word scores: BM25 of a query's candidates, as a naive count of it says, by what words can tell."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quiver.text.terms import terms
from quiver.word_scores import WORDS_WEIGHT, bm25, coverage, word_heights

WORDS = st.sampled_from("commit stash branch merge 合并 undo the".split())
TEXTS = st.lists(WORDS, max_size=12).map(" ".join)


def naive(asked: list[str], corpus: list[list[str]], k1: float = 1.5, b: float = 0.75) -> list[float]:
    """Lucene's variant (Kamphuis et al., 2020, "Which BM25 Do You Mean?")."""
    usual = sum(map(len, corpus)) / len(corpus)
    scores = []
    for document in corpus:
        score = 0.0
        for term in asked:
            having = sum(term in each for each in corpus)
            rarity = math.log(1 + (len(corpus) - having + 0.5) / (having + 0.5))
            often = Counter(document)[term]
            if often:
                score += rarity * often / (often + k1 * (1 - b + b * len(document) / usual))
        scores.append(score)
    return scores


@given(TEXTS, st.lists(TEXTS, min_size=1, max_size=8))
def test_the_naive_count_agrees(query: str, documents: list[str]) -> None:
    asked, corpus = terms(query), [terms(document) for document in documents]
    (scores,) = bm25([asked], corpus)
    np.testing.assert_allclose(scores, naive(asked, corpus), atol=1e-5)


@given(TEXTS, st.lists(TEXTS, max_size=8))
def test_heights_are_a_spread_times_what_is_covered(query: str, documents: list[str]) -> None:
    heights = word_heights(query, documents)
    share = coverage(terms(query), [terms(document) for document in documents])
    assert 0 <= share <= 1 + 1e-9
    assert heights.shape == (len(documents),)
    if heights.any():
        assert heights.mean() == pytest.approx(0, abs=1e-5)
        assert heights.std() == pytest.approx(WORDS_WEIGHT * share, rel=1e-4)


def test_what_every_document_has_hardly_counts() -> None:
    first, second, third = word_heights("git stash", ["git commit", "git stash", "git stash commit"])
    assert first < third < second


def test_function_words_are_not_looked_for_unless_there_are_no_others() -> None:
    code = ["# the sum of a list\nreturn total", "def add(list): return add"]
    first, second = word_heights("add all the numbers of a list", code)
    assert first < second
    first, second = word_heights("to be or not to be", ["not to be", "ships"])
    assert first > second


def test_words_of_which_no_document_has_many_hardly_count() -> None:
    documents = ["the sea", "the commit", "ships"]
    short, long = (word_heights(query, documents) for query in ("commit", "commit of what you know not"))
    assert short.argmax() == long.argmax() == 1
    assert long.max() < short.max() / 3


@pytest.mark.parametrize(("query", "documents"), [("", ["a b"]), ("word", ["other"]), ("a", [])])
def test_nothing_shared_is_zero(query: str, documents: list[str]) -> None:
    assert not word_heights(query, documents).any()

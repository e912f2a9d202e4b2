"""Word scores: how well a query's candidates match it by their words, beside each other."""

import math
from collections.abc import Iterable, Iterator, Sequence
from functools import cache

import numpy as np

from quiver.interpolation import standardised
from quiver.results import Floats
from quiver.text.terms import terms

WORDS_WEIGHT = 2.0
"""What words count where a candidate has all of the query's, in spreads; chosen on texts of training/."""


def word_heights(query: str, documents: Sequence[str]) -> Floats:
    """How far words put each document [N] above the others, in spreads, times what there is to see of them.

    BM25 takes the documents for the corpus: a word that all candidates of a query have tells none of them
    apart, however rare it is elsewhere. Where even the best document has few of the query's words, as in
    another language or in code, words count little. English function words of the query are not looked for:
    where documents are code they are rare, and tell who wrote a comment. Needs bm25s, regex and PyStemmer,
    which the extras ``search`` and ``evaluate`` bring.
    """
    asked, corpus = terms(query), [terms(document) for document in documents]
    (scores,) = bm25([_telling(asked)], corpus)
    return WORDS_WEIGHT * coverage(asked, corpus) * standardised(scores)


def words_weight(query: str, documents: Sequence[str]) -> float:
    """What a spread of words' scores counts beside one of cosines; documents are the best that were found."""
    return WORDS_WEIGHT * coverage(terms(query), [terms(document) for document in documents])


def _telling(asked: Sequence[str]) -> Sequence[str]:
    """The terms but for function words; all of them where there is nothing else."""
    return [term for term in asked if term not in _function_words()] or asked


@cache
def _function_words() -> frozenset[str]:
    from bm25s.stopwords import STOPWORDS_EN_PLUS

    return frozenset(term for word in STOPWORDS_EN_PLUS for term in terms(word))


def bm25(queries: Iterable[Sequence[str]], corpus: Sequence[Sequence[str]]) -> Iterator[Floats]:
    """For each query BM25 [N] of the documents, both nothing but terms; 0 where none is shared.

    That of bm25s with its defaults: Lucene's variant, k1 = 1.5, b = 0.75.
    """
    import bm25s

    index = bm25s.BM25()
    if any(corpus):
        index.index(corpus, show_progress=False)
    for asked in queries:
        if any(corpus) and (known := index.get_tokens_ids(asked)):
            yield np.asarray(index.get_scores_from_ids(known), dtype=np.float32)
        else:
            yield np.zeros(len(corpus), dtype=np.float32)


def coverage(asked: Sequence[str], corpus: Sequence[Sequence[str]]) -> float:
    """The largest share of the asked terms that one document has, each weighed by its rarity in BM25."""
    having = [set(document) for document in corpus]
    rarity = {}
    for term in set(asked):
        count = sum(term in document for document in having)
        rarity[term] = math.log(1 + (len(corpus) - count + 0.5) / (count + 0.5))
    covered = (sum(rarity[term] for term in rarity.keys() & document) for document in having)
    return max(covered, default=0.0) / sum(rarity.values()) if rarity else 0.0

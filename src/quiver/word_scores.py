"""Word scores: how well a few documents match a query by its words, beside each other."""

from collections.abc import Sequence

import numpy as np

from quiver.results import Floats
from quiver.text.terms import terms


def word_scores(query: str, documents: Sequence[str]) -> Floats:
    """BM25 [N] of the documents as if there were no others; 0 where no word is shared.

    A word that all of a query's candidates have tells none of them apart, however rare it is elsewhere. On
    questions to a documentation, this orders candidates as well as BM25 of the whole corpus does
    (docs/decisions.md). Needs bm25s, regex and PyStemmer, which the extras ``search`` and ``evaluate`` bring.
    """
    import bm25s

    asked, corpus = terms(query), [terms(document) for document in documents]
    index = bm25s.BM25()
    if any(corpus):
        index.index(corpus, show_progress=False)
        if known := index.get_tokens_ids(asked):
            scores: Floats = np.asarray(index.get_scores_from_ids(known), dtype=np.float32)
            return scores
    return np.zeros(len(documents), dtype=np.float32)

"""Nearest documents of many queries, exactly, over a corpus whose vectors are never all in memory."""

from collections.abc import Collection, Sequence

import numpy as np

from quiver.results import Floats

SCORES_AT_ONCE = 2**24
"""Cosines in memory at a time (64 MiB)."""


class NearestDocuments:
    """The documents of highest cosine for each of N queries, out of documents that arrive in blocks.

    Documents are numbered as they arrive; of equal scores the lower number comes first. Attributes:

        scores: [N, count] descending, -inf where there are fewer documents.
        documents: [N, count] their numbers, -1 where there are fewer.
        excluded_scores: cosines of the (query, document) pairs that were excluded, once they have arrived.
    """

    def __init__(self, queries: Floats, count: int, excluded: Sequence[Collection[int]]) -> None:
        """Unit vectors [N, E], and for each query the documents that are not to be among its nearest."""
        self._queries = np.asarray(queries)
        self._seen = 0
        self._excluded: dict[int, list[int]] = {}
        for query, documents in enumerate(excluded):
            for document in documents:
                self._excluded.setdefault(document, []).append(query)
        self.scores = np.full((len(queries), count), -np.inf, dtype=np.float32)
        self.documents = np.full((len(queries), count), -1, dtype=np.int64)
        self.excluded_scores: dict[tuple[int, int], float] = {}

    def add(self, block: Floats) -> None:
        """Look at the next documents: unit vectors [D, E]."""
        vectors = np.asarray(block)
        step = max(1, SCORES_AT_ONCE // max(1, len(vectors)))
        for start in range(0, len(self._queries), step):
            scores = self._queries[start : start + step] @ vectors.T
            self._take_out_excluded(scores, start)
            for row, found in enumerate(scores):
                self._keep_best(start + row, found)
        self._seen += len(vectors)

    def _take_out_excluded(self, scores: Floats, first_query: int) -> None:
        queries, documents = scores.shape
        for column in range(documents):
            for query in self._excluded.get(self._seen + column, ()):
                row = query - first_query
                if 0 <= row < queries:
                    self.excluded_scores[query, self._seen + column] = float(scores[row, column])
                    scores[row, column] = -np.inf

    def _keep_best(self, query: int, found: Floats) -> None:
        # Later documents lose ties, so only what is strictly better than the worst kept can enter.
        better = np.flatnonzero(found > self.scores[query, -1])
        if not len(better):
            return
        scores = np.concatenate([self.scores[query], found[better]])
        numbers = np.concatenate([self.documents[query], better + self._seen])
        order = np.argsort(-scores, kind="stable")[: self.scores.shape[1]]
        self.scores[query], self.documents[query] = scores[order], numbers[order]

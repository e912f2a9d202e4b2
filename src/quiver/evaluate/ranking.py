"""Ranking: retrieval from a whole corpus, and reranking of each query's own candidates."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from quiver.evaluate.measures import Grades, Run, measure, measure_queries
from quiver.evaluate.meta import Meta
from quiver.evaluate.systems import Lexical, RerankStage
from quiver.evaluate.vectors import Embedding, Vectors
from quiver.interpolation import interpolated, standardised
from quiver.progress import progress_bar
from quiver.results import Floats, Scores
from quiver.word_scores import word_heights

DEPTH = 1000
"""Documents of a ranking that measures may look at, as in mteb."""

USUAL_MEASURES = ("ndcg@10", "mrr@10", "recall@10", "recall@100", "map")

QUERIES_AT_ONCE = 256
"""Bounds the memory of similarities: 256 by as many as there are documents."""


@dataclass(frozen=True)
class RankingTask:
    """Queries, documents, and how relevant which is to which."""

    meta: Meta
    query_ids: Sequence[str]
    queries: Sequence[str]
    instruction: str | Sequence[str] | None
    """The task, one for all queries or one for each."""
    document_ids: Sequence[str]
    documents: Sequence[str]
    grades: Grades
    """Of every query at least one document that is relevant."""
    candidates: Sequence[Sequence[int]] | None = None
    """For each query the positions of the documents to rank; None ranks all."""

    def embed(self, embedding: Embedding) -> dict[str, Floats]:
        """Queries behind the instruction, documents bare."""
        return {
            "documents": embedding.documents(self.documents),
            "queries": embedding.queries(self.queries, self.instruction),
        }

    def score(self, vectors: Vectors) -> dict[str, float]:
        """The measures of the ranking by cosine."""
        return self.measure(self.ranked_by_vectors(vectors))

    def measure(self, run: Run) -> dict[str, float]:
        """The folder's measure and the usual ones."""
        return measure(run, self.grades, dict.fromkeys((self.meta.metric, *USUAL_MEASURES)))

    def measure_queries(self, run: Run) -> dict[str, float]:
        """The folder's measure of each query."""
        return measure_queries(run, self.grades, [self.meta.metric])[self.meta.metric]

    def ranked_by_vectors(self, vectors: Vectors) -> Run:
        """Every query's best documents by cosine."""
        return self._run(_similarities(vectors["queries"], vectors["documents"]), above=-np.inf)

    def ranked_by_words(self, lexical: Lexical) -> Run:
        """Every query's best documents that share a word with it; of candidates all."""
        return self._run(lexical.relevance(self.queries, self.documents, self.meta.languages), above=0.0)

    def reranked(self, run: Run, stage: RerankStage, *, show_progress_bar: bool | None) -> Run:
        """The ranking with each query's best documents in the stage's order."""
        found: Run = {}
        label = f"Reranking {self.meta.name}"
        with progress_bar(label, len(self.queries), show_progress_bar, unit="queries") as advance:
            for start in range(0, len(self.queries), stage.together):
                some = range(start, min(start + stage.together, len(self.queries)))
                found |= self._rerank(some, run, stage)
                advance(len(some))
        return found

    def _rerank(self, some: Iterable[int], run: Run, stage: RerankStage) -> Run:
        runs = {query: run[self.query_ids[query]] for query in some}
        orders = {query: _order(found) for query, found in runs.items()}
        pairs = [(query, document) for query, order in orders.items() for document in order[: stage.top]]
        scores = stage.model.predict(
            [(self.queries[query], self.documents[self._position[document]]) for query, document in pairs],
            instruction=self._instructions([query for query, _ in pairs]),
            show_progress_bar=False,
        )
        # Probabilities round to 1; their log-odds still tell documents apart.
        odds = np.asarray(scores.log_odds if isinstance(scores, Scores) else scores)
        found: Run = {}
        for query, order in orders.items():
            best, rest = order[: stage.top], order[stage.top :]
            own, odds = odds[: len(best)], odds[len(best) :]
            if stage.retrieval_weight:
                own = interpolated(own, self._known(query, runs[query], best), stage.retrieval_weight)
            seen = dict(zip(best, own.tolist(), strict=True))
            lowest = min(seen.values(), default=0.0)
            seen |= {document: lowest - place for place, document in enumerate(rest, start=1)}
            found[self.query_ids[query]] = seen
        return found

    def _known(self, query: int, found: dict[str, float], documents: Sequence[str]) -> Floats:
        """What is known of a query's candidates before they are judged."""
        texts = [self.documents[self._position[document]] for document in documents]
        by_words = word_heights(self.queries[query], texts)
        return standardised([found[document] for document in documents]) + by_words

    def _instructions(self, queries: Sequence[int]) -> str | list[str] | None:
        if self.instruction is None or isinstance(self.instruction, str):
            return self.instruction
        return [self.instruction[query] for query in queries]

    @cached_property
    def _position(self) -> dict[str, int]:
        return {document: position for position, document in enumerate(self.document_ids)}

    def _run(self, rows: Iterable[Floats], above: float) -> Run:
        found: Run = {}
        for query, row in enumerate(rows):
            if self.candidates is None:
                best = _best(row)
                positions = best[row[best] > above]
            else:
                positions = np.asarray(self.candidates[query])
            ids = [self.document_ids[position] for position in positions.tolist()]
            found[self.query_ids[query]] = dict(zip(ids, row[positions].tolist(), strict=True))
        return found


def _similarities(queries: Floats, documents: Floats) -> Iterator[Floats]:
    """Cosines of unit vectors, a row [D] for each query."""
    for start in range(0, len(queries), QUERIES_AT_ONCE):
        yield from queries[start : start + QUERIES_AT_ONCE] @ documents.T


def _best(row: Floats) -> npt.NDArray[np.intp]:
    """Positions of the DEPTH highest values, in no order."""
    if len(row) <= DEPTH:
        return np.arange(len(row))
    return np.argpartition(row, -DEPTH)[-DEPTH:]


def _order(found: dict[str, float]) -> list[str]:
    """Document ids, the best first, ties as trec_eval breaks them."""
    return sorted(found, key=lambda document: (found[document], document), reverse=True)

"""Candidates: what the embedder finds for each query, and the reranker's scores, each computed once."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from quiver.evaluate.measures import Run
from quiver.evaluate.ranking import RankingTask
from quiver.evaluate.systems import Encoder, PairScorer
from quiver.evaluate.vectors import Embedding, cut_to
from quiver.interpolation import retrieval_weight_of
from quiver.progress import progress_bar
from quiver.results import Floats, Scores


def first_ranking(labels: RankingTask, embedder: Encoder, show_progress_bar: bool | None) -> Run:
    """The ranking by cosine."""
    vectors = labels.embed(Embedding(embedder, show_progress_bar=show_progress_bar))
    return labels.ranked_by_vectors(cut_to(vectors, None))


@dataclass(slots=True)
class Judgements:
    """A reranker's scores by query and document; itself a reranker that computes nothing more."""

    scores: dict[tuple[str, str], float] = field(default_factory=dict)
    """Log-odds where the reranker gives them."""
    candidates: list[list[str]] = field(default_factory=list)
    """For each query the texts that were scored, the first ones first."""
    seconds: list[list[float]] = field(default_factory=list)
    """For each query, how long its candidates took down to each depth."""
    retrieval_weight: float = 0.0
    """The reranker's."""

    def predict(
        self,
        pairs: Sequence[tuple[str, str]],
        *,
        instruction: str | Sequence[str] | None = None,
        show_progress_bar: bool | None = None,
    ) -> Floats:
        """The scores of pairs that were judged."""
        return np.asarray([self.scores[pair] for pair in pairs], dtype=np.float32)


def judge(
    labels: RankingTask,
    ranking: Run,
    reranker: PairScorer,
    depths: Sequence[int],
    show_progress_bar: bool | None,
) -> Judgements:
    """Score each query's candidates down to the deepest of the depths, and time each step between two.

    A step repeats the query's prompt, so that the time of a deep ranking is a little more than if it were
    done at once.
    """
    judged = Judgements(retrieval_weight=retrieval_weight_of(reranker))
    text_of = dict(zip(labels.document_ids, labels.documents, strict=True))
    with progress_bar("Reranking", len(labels.queries), show_progress_bar, unit="queries") as advance:
        for place, (own, query) in enumerate(zip(labels.query_ids, labels.queries, strict=True)):
            found = ranking[own]
            order = sorted(found, key=lambda document: (found[document], document), reverse=True)
            instruction = labels.instruction
            if instruction is not None and not isinstance(instruction, str):
                instruction = instruction[place]
            begun = time.perf_counter()
            judged.seconds.append([])
            judged.candidates.append([text_of[document] for document in order[: depths[-1]]])
            for start, end in zip((0, *depths), depths, strict=False):
                pairs = [(query, text) for text in judged.candidates[-1][start:end]]
                if pairs:
                    found_scores = reranker.predict(pairs, instruction=instruction, show_progress_bar=False)
                    odds = found_scores.log_odds if isinstance(found_scores, Scores) else found_scores
                    judged.scores |= dict(zip(pairs, np.asarray(odds).tolist(), strict=True))
                judged.seconds[-1].append(time.perf_counter() - begun)
            advance(1)
    return judged

"""Mining: hard negatives for training rows, by the embedder's own ranking of a corpus.

A hard negative ranks high for a query without answering it; what ranks highest often does answer it, only
nobody said so. NV-Retriever (arXiv:2407.15831) leaves such false negatives out by measuring with the
positive: a negative scores at most 95 % of it ("TopK-PercPos"). That is the default here, with the paper's
four negatives a row, from rank 1 on.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from quiver.embedder import Embedder
from quiver.errors import InputError
from quiver.reranker import Reranker
from quiver.results import Floats
from quiver.text.prompts import DEFAULT_INSTRUCTION
from quiver.train.nearest import NearestDocuments
from quiver.train.rows import TrainingRow

ROWS_RERANKED_AT_ONCE = 100

Candidates: TypeAlias = list[tuple[int, float]]
"""Numbers of documents and their cosines with the query, best first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MiningRule:
    """Which documents become negatives of a row."""

    negatives: int = 4
    """Most negatives that a row gets."""
    first_rank: int = 1
    """Ranks count from 1, among the documents that are not known to answer the query."""
    last_rank: int = 100
    share_of_positive: float = 0.95
    """Most a negative may score, as a share of the score of the row's weakest positive."""
    seed: int | None = None
    """None takes the first in rank; a number samples from all that qualify."""
    highest_relevance: float = 0.5
    """Most that the reranker may say, if there is one; 0.5 drops what it answers with yes."""

    def __post_init__(self) -> None:
        if self.negatives < 1 or not 1 <= self.first_rank <= self.last_rank:
            raise InputError(
                f"{self.negatives} negatives of the ranks {self.first_rank} to {self.last_rank} cannot be: "
                "both take at least 1, and the first rank comes before the last"
            )
        for name in ("share_of_positive", "highest_relevance"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"{name} lies between 0 and 1, not at {getattr(self, name)}")

    def limit(self, positive: float) -> float:
        """Highest cosine of a negative beside a positive; the margin also holds below zero."""
        return positive - (1 - self.share_of_positive) * abs(positive)


@dataclass(frozen=True, slots=True, kw_only=True)
class MiningReport:
    """What mining found."""

    documents: int
    """Different texts that were ranked."""
    rows_by_negatives: dict[int, int]
    """How many rows got that many negatives."""
    too_close: int
    """Documents within the ranks that scored too near to a positive."""
    relevant: int
    """Documents that the reranker found relevant."""
    positive_score: float
    """Mean cosine of the rows' weakest positives."""
    negative_score: float
    """Mean cosine of the mined negatives; NaN if there is none."""


@dataclass(frozen=True, slots=True)
class Mined:
    """Rows with their negatives, and how it went."""

    rows: list[TrainingRow]
    report: MiningReport


def mine(
    rows: Sequence[TrainingRow],
    embedder: Embedder,
    *,
    corpus: Iterable[str] = (),
    rule: MiningRule | None = None,
    reranker: Reranker | None = None,
    show_progress_bar: bool | None = None,
) -> Mined:
    """Rows with hard negatives behind the negatives they have, out of all rows' positives and ``corpus``.

    Never a negative: a known positive of the same query in any row, a negative that the row has, the query
    itself, or a text equal to one of these but for white space. All ranks are exact; memory holds the texts,
    the queries' vectors and one block of documents' vectors. ``rule`` None takes its defaults.
    """
    rule = rule or MiningRule()
    documents = _Documents(text for row in rows for text in row.positives)
    documents.add(corpus)
    nearest = NearestDocuments(
        _query_vectors(rows, embedder, show_progress_bar), rule.last_rank, _known(rows, documents)
    )
    for block in embedder.encode_stream(documents.texts, show_progress_bar=show_progress_bar):
        nearest.add(block)
    weakest = [
        min(nearest.excluded_scores[number, documents.number(text)] for text in row.positives)
        for number, row in enumerate(rows)
    ]
    ranked = [_window(nearest, row, rule) for row in range(len(rows))]
    distant = [
        [(document, score) for document, score in found if score <= rule.limit(positive)]
        for found, positive in zip(ranked, weakest, strict=True)
    ]
    left = distant
    if reranker is not None:
        left = _without_relevant(rows, distant, documents, reranker, rule, show_progress_bar)
    chosen = _choose(left, rule)
    report = MiningReport(
        documents=len(documents.texts),
        rows_by_negatives=dict(sorted(Counter(map(len, chosen)).items())),
        too_close=sum(map(len, ranked)) - sum(map(len, distant)),
        relevant=sum(map(len, distant)) - sum(map(len, left)),
        positive_score=_mean(weakest),
        negative_score=_mean([score for found in chosen for _, score in found]),
    )
    mined = [
        replace(row, negatives=(*row.negatives, *(documents.texts[document] for document, _ in found)))
        for row, found in zip(rows, chosen, strict=True)
    ]
    return Mined(mined, report)


class _Documents:
    """Different texts, numbered; white space makes no difference and blank texts do not count."""

    def __init__(self, texts: Iterable[str]) -> None:
        self.texts: list[str] = []
        self._numbers: dict[str, int] = {}
        self.add(texts)

    def add(self, texts: Iterable[str]) -> None:
        for text in texts:
            key = _key(text)
            if key and key not in self._numbers:
                self._numbers[key] = len(self.texts)
                self.texts.append(text)

    def number(self, text: str) -> int:
        return self._numbers[_key(text)]

    def numbers(self, texts: Iterable[str]) -> set[int]:
        """Numbers of those texts that are documents."""
        return {self._numbers[key] for key in map(_key, texts) if key in self._numbers}


def _key(text: str) -> str:
    return " ".join(text.split())


def _known(rows: Sequence[TrainingRow], documents: _Documents) -> list[set[int]]:
    """For each row, the documents that are no candidates: every row's positives of its query, and others."""
    answers: dict[str, set[int]] = {}
    for row in rows:
        answers.setdefault(_key(row.query), set()).update(documents.numbers(row.positives))
    return [answers[_key(row.query)] | documents.numbers((row.query, *row.negatives)) for row in rows]


def _query_vectors(rows: Sequence[TrainingRow], embedder: Embedder, show: bool | None) -> Floats:
    """Each query behind its row's instruction, or behind the model's own prompt: [N, dimension]."""
    own = [index for index, row in enumerate(rows) if row.instruction is None]
    given = [(index, row.instruction) for index, row in enumerate(rows) if row.instruction is not None]
    vectors = np.empty((len(rows), embedder.embedding_dim), dtype=np.float32)
    vectors[own] = embedder.encode_query([rows[index].query for index in own], show_progress_bar=show)
    vectors[[index for index, _ in given]] = embedder.encode_query(
        [rows[index].query for index, _ in given],
        instruction=[instruction for _, instruction in given],
        show_progress_bar=show,
    )
    return vectors


def _window(nearest: NearestDocuments, row: int, rule: MiningRule) -> Candidates:
    ranks = slice(rule.first_rank - 1, rule.last_rank)
    found = zip(nearest.documents[row, ranks].tolist(), nearest.scores[row, ranks].tolist(), strict=True)
    return [(document, score) for document, score in found if document >= 0]


def _without_relevant(
    rows: Sequence[TrainingRow],
    candidates: Sequence[Candidates],
    documents: _Documents,
    reranker: Reranker,
    rule: MiningRule,
    show: bool | None,
) -> list[Candidates]:
    """Candidates whose relevance, as the reranker judges, is not above the rule's."""
    left: list[Candidates] = []
    for start in range(0, len(rows), ROWS_RERANKED_AT_ONCE):
        part = list(zip(rows, candidates, strict=True))[start : start + ROWS_RERANKED_AT_ONCE]
        pairs = [(row, documents.texts[document]) for row, found in part for document, _ in found]
        scores = reranker.predict(
            [(row.query, text) for row, text in pairs],
            instruction=[row.instruction or DEFAULT_INSTRUCTION for row, _ in pairs],
            show_progress_bar=show,
        )
        verdicts = iter((scores <= rule.highest_relevance).tolist())
        left += [[candidate for candidate in found if next(verdicts)] for _, found in part]
    return left


def _choose(candidates: Sequence[Candidates], rule: MiningRule) -> list[Candidates]:
    if rule.seed is None:
        return [found[: rule.negatives] for found in candidates]
    random = np.random.default_rng(rule.seed)
    return [
        [found[i] for i in sorted(random.permutation(len(found))[: rule.negatives].tolist())]
        for found in candidates
    ]


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if len(values) else float("nan")

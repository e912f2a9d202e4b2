"""Searcher: a query to ranked passages.

query -> candidates by vectors and by words -> twins merged -> their scores summed, words' by how much of the
query they cover -> the best of them reranked, beside these scores where the reranker asks for it
"""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from quiver.embedder import Embedder
from quiver.engine.plan import Usage
from quiver.errors import InputError
from quiver.models.fingerprint import Fingerprint
from quiver.results import Embeddings, probability
from quiver.search.described import described
from quiver.search.extra import check_installed
from quiver.search.filter_syntax import parse_filter
from quiver.search.filters import Filter
from quiver.search.fusion import Scored, fuse, heights
from quiver.search.hits import Hit, SearchResult, Stage, StageScore
from quiver.search.home import HOME_NAME, find_home, open_home
from quiver.search.index import check_fingerprint
from quiver.search.places import is_path, place_of
from quiver.search.reranking import PassageRanker, Reranked, TimedReranker
from quiver.search.spans import Spans
from quiver.search.store import Found, Store
from quiver.search.twins import PassageKey, Twins, key_of
from quiver.word_scores import word_heights, words_weight

Mode = Literal["dense", "text", "hybrid"]
MODES: tuple[Mode, ...] = ("dense", "text", "hybrid")

COVERAGE_SAMPLE = 5
"""Candidates of each way that tell how much of the query words cover."""
RARITY_SAMPLE = 20
"""Candidates that tell how rare a word is; to cut all into words would take longer than to find them."""


class QueryEncoder(Protocol):
    """As much of an ``Embedder`` as searching needs."""

    @property
    def fingerprint(self) -> Fingerprint:
        """The vector space."""

    def encode_query(
        self,
        texts: Sequence[str],
        *,
        instruction: str | Sequence[str] | None = ...,
        show_progress_bar: bool | None = ...,
    ) -> Embeddings:
        """Unit vectors [N, E]."""


@dataclass(slots=True, eq=False)
class _Entry:
    """A candidate, with what the stages say of it."""

    found: Found
    scores: list[StageScore]

    def hit(self, spans: Spans, twins: Twins, explain: bool) -> Hit:
        last = self.scores[-1]
        return Hit(
            passage=self.found.passage,
            score=last.score,
            stage=last.stage,
            span=spans.best(self.found.passage.text),
            stages=tuple(self.scores) if explain else (),
            other_paths=twins.other_paths(self.found),
        )


class Searcher:
    """Searches an index.

    Args:
        index: the folder ``.quiver`` of an index, the address of a store (``places``), or any ``Store``; None
            finds the nearest folder, here or above.
        embedder: None opens the model that the index was made with.
        reranker: reads the best candidates together with the query; None leaves them as fused.

    Raises:
        StoreError: there is no index, or it cannot be read.
        FingerprintMismatch: the embedder is not the one that made the index.
    """

    def __init__(
        self,
        index: str | Path | Store | None = None,
        *,
        embedder: QueryEncoder | None = None,
        reranker: PassageRanker | None = None,
    ) -> None:
        self.store = _open(index)
        self._embedder = embedder or Embedder(self.store.info.model)
        self._reranker = None if reranker is None else TimedReranker(reranker)
        self._retrieval_weight = 0.0 if reranker is None else reranker.retrieval_weight
        check_fingerprint(self.store, self._embedder.fingerprint)

    def search(
        self,
        query: str,
        *,
        top_k: int = 10,
        mode: Mode = "hybrid",
        candidates: int = 100,
        rerank_top: int = 20,
        instruction: str | None = None,
        where: str | None = None,
        budget_ms: float | None = None,
        explain: bool = False,
    ) -> SearchResult:
        """The best passages for a query.

        Args:
            query: what is looked for.
            top_k: passages to return.
            mode: ``dense`` by vectors, ``text`` by words, ``hybrid`` by both.
            candidates: passages that each of these finds.
            rerank_top: candidates that the reranker judges; the others stay below them, in their order.
            instruction: the task in one sentence, for embedder and reranker, instead of their defaults.
            where: a filter in SQL's syntax, such as ``path LIKE 'docs/%' AND metadata.year > 2020``.
            budget_ms: time for the search; reranking stops within it, and ``skipped`` counts what it left.
            explain: give each hit every stage's rank and score.
        """
        begun = time.monotonic()
        _check(query, top_k=top_k, mode=mode, candidates=candidates, rerank_top=rerank_top, budget=budget_ms)
        deadline = None if budget_ms is None else begun + budget_ms / 1000
        stages, usage = self._candidates(query, mode, candidates, instruction, where)
        twins = Twins(stages)
        stages = {stage: twins.merged(found) for stage, found in stages.items()}
        ways = _ways(query, stages)
        fused = _fused(stages, ways)
        best = fused[:rerank_top] if self._reranker else []
        texts = [described(entry.found.passage) for entry in best]
        judged = Reranked()
        if self._reranker is not None:
            judged = self._reranker.rerank(query, texts, instruction=instruction, deadline=deadline)
        if judged.log_odds and self._retrieval_weight:
            beside = heights([key_of(entry.found) for entry in best], ways)
            if "text" not in stages:
                beside += word_heights(query, texts)
            judged = judged.beside(beside, self._retrieval_weight)
        ordered = _ordered(fused, judged)[:top_k]
        spans = Spans(query, [entry.found.passage.text for entry in {*ordered, *fused[:RARITY_SAMPLE]}])
        return SearchResult(
            [entry.hit(spans, twins, explain) for entry in ordered],
            candidates=len(fused),
            reranked=len(judged.log_odds),
            skipped=len(texts) - len(judged.log_odds),
            seconds=time.monotonic() - begun,
            usage=usage + judged.usage,
        )

    def _candidates(
        self, query: str, mode: Mode, count: int, instruction: str | None, where: str | None
    ) -> tuple[dict[Stage, list[Found]], Usage]:
        """What each kind of search finds; both run at once."""
        parsed: Filter | None = None if where is None else parse_filter(where)
        stages: dict[Stage, list[Found]] = {}
        usage = Usage()
        with ThreadPoolExecutor(1) as pool:
            by_words = pool.submit(self.store.search_text, query, count, parsed) if mode != "dense" else None
            if mode != "text":
                vectors = self._embedder.encode_query(
                    [query], instruction=instruction, show_progress_bar=False
                )
                usage = vectors.usage
                stages["dense"] = self.store.search_vectors(np.asarray(vectors)[0], count, parsed)
            if by_words is not None:
                stages["text"] = by_words.result()
        return stages, usage


def _open(index: str | Path | Store | None) -> Store:
    if index is not None and not isinstance(index, str | Path):
        return index
    check_installed()
    address = str(Path.cwd() / HOME_NAME if index is None else index)
    home = None
    if is_path(address):
        home = find_home(Path.cwd()) if index is None else open_home(Path(address))
    return (home.store if home is not None else place_of(address)).open()


def _check(
    query: str, *, top_k: int, mode: str, candidates: int, rerank_top: int, budget: float | None
) -> None:
    if not query.strip():
        raise InputError("the query is blank")
    if mode not in MODES:
        raise InputError(f"mode must be one of {', '.join(MODES)}, not {mode!r}")
    for name, value in (("top_k", top_k), ("candidates", candidates)):
        if value < 1:
            raise InputError(f"{name} must be at least 1, not {value}")
    if rerank_top < 0:
        raise InputError(f"rerank_top must not be negative, as {rerank_top} is")
    if budget is not None and not budget >= 0:
        raise InputError(f"budget_ms must be a number of milliseconds, not {budget}")


def _ways(query: str, stages: dict[Stage, list[Found]]) -> list[Scored[PassageKey]]:
    """What each stage says of its candidates, and what it counts beside the others."""
    weight = 1.0
    if len(stages) > 1:
        sample = {key_of(each): each for found in stages.values() for each in found[:COVERAGE_SAMPLE]}
        weight = words_weight(query, [described(each.passage) for each in sample.values()])
    return [
        Scored({key_of(each): each.score for each in found}, weight if stage == "text" else 1.0)
        for stage, found in stages.items()
    ]


def _fused(stages: dict[Stage, list[Found]], ways: list[Scored[PassageKey]]) -> list[_Entry]:
    """All candidates in one order; a single stage's order stays as it is."""
    entries: dict[PassageKey, _Entry] = {}
    for stage, found in stages.items():
        for rank, each in enumerate(found, start=1):
            entry = entries.setdefault(key_of(each), _Entry(each, []))
            entry.scores.append(StageScore(stage, rank, each.score))
    if len(stages) == 1:
        return list(entries.values())
    fused = fuse(ways)
    for rank, (key, score) in enumerate(fused, start=1):
        entries[key].scores.append(StageScore("fusion", rank, score))
    return [entries[key] for key, _ in fused]


def _ordered(fused: list[_Entry], judged: Reranked) -> list[_Entry]:
    """What was judged, by the judgement; behind it the rest as it was."""
    odds = judged.log_odds
    by_judgement = sorted(odds, key=lambda position: (-odds[position], position))
    for rank, position in enumerate(by_judgement, start=1):
        fused[position].scores.append(StageScore("rerank", rank, float(probability(odds[position]))))
    rest = [entry for position, entry in enumerate(fused) if position not in odds]
    return [fused[position] for position in by_judgement] + rest

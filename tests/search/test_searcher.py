"""Searching: from a query to hits, each stage beside what it should do."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import quiver
from quiver import Embedder, Reranker
from quiver.engine.plan import Usage
from quiver.errors import FingerprintMismatch, InputError, StoreError
from quiver.interpolation import standardised
from quiver.results import Embeddings, RankedDocument, Ranking
from quiver.search.described import described
from quiver.search.fusion import Scored, fuse
from quiver.search.index import update_index
from quiver.search.searcher import Mode, Searcher
from quiver.word_scores import word_heights, words_weight
from tests.search.conftest import OpenStore
from tests.search.examples import NaiveStore, file, fingerprint, info, vector
from tests.search.folder import Folder

FILES = [
    file("git.md", "Reset undoes a commit. It keeps files.", "Clean deletes files.", title="Git", page=1),
    file("sea.md", "Ships sail the sea.", "The commit of a sailor.", title="Sea", page=2),
]


class Encoder:
    """A query's vector is that of the document with the same text."""

    def __init__(self, weights: str = "w") -> None:
        self.fingerprint = fingerprint(weights=weights)
        self.instructions: list[Any] = []

    def encode_query(
        self, texts: Sequence[str], *, instruction: Any = None, show_progress_bar: bool | None = None
    ) -> Embeddings:
        self.instructions.append(instruction)
        rows = np.asarray([vector(text) for text in texts], np.float32)
        return Embeddings(rows, Usage(3, 3), [], self.fingerprint)


class Ranker:
    """Prefers long texts."""

    def __init__(self) -> None:
        self.retrieval_weight = 0.0
        self.calls: list[tuple[str, list[str], str | None]] = []

    def rank(
        self,
        query: str,
        documents: Sequence[str],
        *,
        instruction: str | None = None,
        show_progress_bar: bool | None = None,
    ) -> Ranking:
        self.calls.append((query, list(documents), instruction))
        order = sorted(range(len(documents)), key=lambda index: -len(documents[index]))
        ranked = [
            RankedDocument(corpus_id=i, score=len(documents[i]) / 100, log_odds=float(len(documents[i])))
            for i in order
        ]
        return Ranking(ranked, Usage(7, 4), ())


@pytest.fixture
def naive() -> NaiveStore:
    store = NaiveStore(info())
    store.put(FILES)
    return store


def texts(hits: Sequence[Any]) -> list[str]:
    return [hit.passage.text for hit in hits]


def test_words_alone(naive: NaiveStore) -> None:
    result = Searcher(naive, embedder=Encoder()).search("undo a commit", mode="text")
    assert texts(result) == [each.passage.text for each in naive.search_text("undo a commit", 10)]
    assert {hit.stage for hit in result} == {"text"}


def test_vectors_alone(naive: NaiveStore) -> None:
    result = Searcher(naive, embedder=Encoder()).search("Sea\nShips sail the sea.", mode="dense")
    assert result[0].passage.text == "Ships sail the sea."
    assert result[0].score == pytest.approx(1)
    assert len(result) == 4


def test_both_are_fused(naive: NaiveStore) -> None:
    query = "commit files"
    result = Searcher(naive, embedder=Encoder()).search(query)
    found = (naive.search_vectors(vector(query), 100), naive.search_text(query, 100))
    dense, words = ({each.passage.text: each.score for each in way} for way in found)
    passages = {each.passage.text: each.passage for way in found for each in way}
    weight = words_weight(query, [described(passage) for passage in passages.values()])
    fused = fuse([Scored(dense), Scored(words, weight)])
    assert [(hit.passage.text, hit.score) for hit in result] == fused
    assert {hit.stage for hit in result} == {"fusion"}
    assert result.usage == Usage(3, 3)


def test_the_best_are_reranked_and_the_rest_stay_below(naive: NaiveStore) -> None:
    ranker = Ranker()
    plain = Searcher(naive, embedder=Encoder()).search("commit files")
    result = Searcher(naive, embedder=Encoder(), reranker=ranker).search("commit files", rerank_top=3)
    [(query, documents, _)] = ranker.calls
    assert query == "commit files"
    assert [document.split("\n")[1] for document in documents] == texts(plain)[:3]
    assert texts(result) == [*sorted(texts(plain)[:3], key=len, reverse=True), texts(plain)[3]]
    assert [hit.stage for hit in result] == ["rerank"] * 3 + ["fusion"]
    assert (result.candidates, result.reranked, result.skipped) == (4, 3, 0)
    assert result.usage == Usage(10, 7)


def test_what_found_a_passage_counts_beside_a_reranker_that_asks_for_it(naive: NaiveStore) -> None:
    query = "a sailor and ships"
    plain = Searcher(naive, embedder=Encoder()).search(query, explain=True)
    expected = {hit.passage.text: float(len(described(hit.passage))) for hit in plain}
    spread = float(np.std(list(expected.values())))
    weights = {"dense": 1.0, "text": words_weight(query, [described(hit.passage) for hit in plain])}
    for stage, weight in weights.items():
        scores = {hit.passage.text: one.score for hit in plain for one in hit.stages if one.stage == stage}
        heights = standardised([scores.get(text, min(scores.values())) for text in expected])
        for text, height in zip(expected, heights.tolist(), strict=True):
            expected[text] += 5 * spread * weight * height
    ranker = Ranker()
    ranker.retrieval_weight = 5.0
    result = Searcher(naive, embedder=Encoder(), reranker=ranker).search(query)
    assert texts(result) == sorted(expected, key=lambda text: -expected[text])
    assert texts(result) != sorted(texts(plain), key=len, reverse=True)
    for hit in result:
        assert hit.score == pytest.approx(1 / (1 + np.exp(-np.float64(expected[hit.passage.text]))), abs=1e-5)


def test_without_a_search_by_words_those_of_the_candidates_count(naive: NaiveStore) -> None:
    query = "a sailor and ships"
    plain = Searcher(naive, embedder=Encoder()).search(query, mode="dense")
    candidates = [described(hit.passage) for hit in plain]
    known = standardised([hit.score for hit in plain][:3]) + word_heights(query, candidates[:3])
    lengths = [len(text) for text in candidates[:3]]
    expected = [size + 5 * np.std(lengths) * float(value) for size, value in zip(lengths, known, strict=True)]
    ranker = Ranker()
    ranker.retrieval_weight = 5.0
    searcher = Searcher(naive, embedder=Encoder(), reranker=ranker)
    result = searcher.search(query, mode="dense", rerank_top=3)
    order = sorted(range(3), key=lambda place: -expected[place])
    assert texts(result) == [texts(plain)[place] for place in (*order, *range(3, len(plain)))]


def test_no_budget_left_skips_the_reranking_and_says_so(naive: NaiveStore) -> None:
    searcher = Searcher(naive, embedder=Encoder(), reranker=Ranker())
    result = searcher.search("commit files", budget_ms=0)
    assert (result.reranked, result.skipped) == (0, 4)
    assert texts(result) == texts(Searcher(naive, embedder=Encoder()).search("commit files"))


def test_every_stage_explains_itself(naive: NaiveStore) -> None:
    searcher = Searcher(naive, embedder=Encoder(), reranker=Ranker())
    hits = searcher.search("commit files", explain=True, rerank_top=1)
    assert [score.stage for score in hits[0].stages][-2:] == ["fusion", "rerank"]
    for hit in hits:
        assert hit.score == hit.stages[-1].score
        for score in hit.stages:
            if score.stage == "dense":
                found = naive.search_vectors(vector("commit files"), 9)[score.rank - 1]
                assert found.passage == hit.passage
                assert found.score == pytest.approx(score.score)
    assert searcher.search("commit files")[0].stages == ()


def test_a_filter_and_an_instruction(naive: NaiveStore) -> None:
    encoder, ranker = Encoder(), Ranker()
    searcher = Searcher(naive, embedder=encoder, reranker=ranker)
    hits = searcher.search("commit", where="page = 2", instruction="Find sailors")
    assert {hit.passage.path for hit in hits} == {"sea.md"}
    assert encoder.instructions == ["Find sailors"]
    assert ranker.calls[0][2] == "Find sailors"


def test_the_span_that_matched(naive: NaiveStore) -> None:
    hit = Searcher(naive, embedder=Encoder()).search("undoing commits by a reset", mode="text")[0]
    assert hit.span is not None
    assert hit.passage.text[hit.span.start : hit.span.stop] == "Reset undoes a commit."


@pytest.mark.parametrize(
    ("query", "options", "reason"),
    [
        (" ", {}, "blank"),
        ("x", {"mode": "fuzzy"}, "dense, text, hybrid"),
        ("x", {"top_k": 0}, "top_k"),
        ("x", {"candidates": 0}, "candidates"),
        ("x", {"rerank_top": -1}, "rerank_top"),
        ("x", {"budget_ms": float("nan")}, "budget_ms"),
        ("x", {"where": "nonsense"}, "no column"),
    ],
)
def test_what_is_refused(naive: NaiveStore, query: str, options: dict[str, Any], reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        Searcher(naive, embedder=Encoder()).search(query, **options)


def test_another_embedder_is_refused(naive: NaiveStore) -> None:
    with pytest.raises(FingerprintMismatch, match="quiver reindex"):
        Searcher(naive, embedder=Encoder("other"))


def test_a_folder_without_an_index(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="quiver index PATH"):
        Searcher(tmp_path)


@pytest.mark.parametrize("mode", ["dense", "text", "hybrid"])
def test_with_real_models_and_every_store(
    open_store: OpenStore,
    tmp_path: Path,
    embedder_folder: Path,
    embedder: Embedder,
    reranker: Reranker,
    mode: Mode,
) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "a").write_text("The capital of China is Beijing.\nGravity is a force.")
    store = open_store(info(model=str(embedder_folder), fingerprint=embedder.fingerprint))
    update_index(store, Folder(tmp_path / "files"), embedder)
    searcher = quiver.Searcher(store, embedder=embedder, reranker=reranker)
    hits = searcher.search("capital of China", mode=mode, budget_ms=60_000)
    scores = reranker.rank("capital of China", [hit.passage.text for hit in hits])
    assert [hit.score for hit in hits] == pytest.approx([each["score"] for each in scores], abs=1e-6)
    if mode == "text":
        assert texts(hits) == ["The capital of China is Beijing."]
    else:
        assert len(hits) == 2

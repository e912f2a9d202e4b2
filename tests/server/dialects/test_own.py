import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest

from quiver.search.home import open_home
from quiver.search.searcher import Searcher
from quiver.server.explain import plane
from quiver.server.models import OpenedModels
from tests.server.conftest import LIMIT
from tests.server.running import Running, running

NOTES = {
    "git.md": "# Git\n\n## Undo\n\ngit reset --soft HEAD~1 undoes the last commit and keeps its changes.\n",
    "cats.md": "# Cats\n\nA cat sleeps for most of the day.\n",
    "food.txt": "Bread needs flour, water, salt and time.\n",
}
QUERY = "How do I undo my last commit?"


@pytest.fixture(scope="module")
def searching(opened: OpenedModels, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("notes")
    for name, text in NOTES.items():
        (folder / name).write_text(text)
    subprocess.run([sys.executable, "-m", "quiver", "index", ".", "--quiet"], cwd=folder, check=True)
    home = open_home(folder / ".quiver")
    assert home is not None
    store = home.store.open()
    with running(OpenedModels(embedder=opened.embedder, reranker=opened.reranker, store=store)) as started:
        yield started
    store.close()


class TestSearch:
    def test_hits_are_the_searchers(self, searching: Running) -> None:
        expected = Searcher(
            searching.opened.store, embedder=searching.embedder, reranker=searching.reranker
        ).search(QUERY, top_k=2)
        response = searching.post("/search", {"query": QUERY, "top_k": 2})
        told = response.json()
        assert [hit["path"] for hit in told["hits"]] == [hit.passage.path for hit in expected]
        np.testing.assert_allclose([hit["score"] for hit in told["hits"]], [hit.score for hit in expected])
        best, span = told["hits"][0], expected[0].span
        assert (best["path"], best["stage"], best["headings"]) == ("git.md", "rerank", ["Git", "Undo"])
        assert span is not None
        assert best["span"] == {
            "start": span.start,
            "stop": span.stop,
            "words": [list(w) for w in span.words],
        }
        assert "stages" not in best
        assert told["usage"]["tokens_in"] == expected.usage.tokens_in
        assert response.headers["x-quiver-fingerprint"] == str(searching.embedder.fingerprint)

    def test_options(self, searching: Running) -> None:
        body = {
            "query": QUERY,
            "mode": "dense",
            "rerank_top": 0,
            "where": "path LIKE '%.txt'",
            "explain": True,
        }
        (hit,) = searching.post("/search", body).json()["hits"]
        assert (hit["path"], hit["stage"]) == ("food.txt", "dense")
        assert hit["stages"]["dense"]["rank"] == 1

    @pytest.mark.parametrize(
        ("body", "words"),
        [
            ({"query": "  "}, "blank"),
            ({"query": "x", "where": "path LIKE"}, "filter"),
            ({"query": "x", "mode": "magic"}, "mode"),
            ({"query": "x", "top_k": 0}, "top_k"),
        ],
    )
    def test_mistakes(self, searching: Running, body: dict[str, object], words: str) -> None:
        response = searching.post("/search", body)
        assert response.status_code == 400
        assert response.json()["error"]["type"] == "invalid"
        assert words in response.json()["error"]["message"]

    def test_a_server_without_an_index(self, server: Running) -> None:
        response = server.post("/search", {"query": QUERY})
        assert response.status_code == 404
        assert "--index" in response.json()["error"]["message"]

    def test_info_counts_passages(self, searching: Running) -> None:
        assert searching.get("/info").json()["index"] == {"passages": 3}


class TestExplain:
    def test_all_pairs(self, server: Running) -> None:
        queries, documents = ["cats", QUERY], list(NOTES.values())
        body = {"queries": queries, "documents": documents, "dimensions": 64, "instruction": "Find notes"}
        told = server.post("/explain", body).json()
        first = server.embedder.encode_query(queries, truncate_dim=64, instruction="Find notes")
        second = server.embedder.encode_document(documents, truncate_dim=64)
        np.testing.assert_allclose(told["similarity"], np.asarray(first) @ np.asarray(second).T, atol=1e-6)
        pairs = [(query, document) for query in queries for document in documents]
        scores = server.reranker.predict(pairs, instruction="Find notes")
        np.testing.assert_allclose(np.ravel(told["scores"]), scores, atol=1e-6)
        assert np.shape(told["log_odds"]) == (2, 3)
        assert told["vectors_dimension"] == 64
        assert told["prompt"] == "Instruct: Find notes\nQuery:"
        assert np.shape(told["map"]) == (5, 2)
        assert told["usage"]["tokens_in"] == sum(each.usage.tokens_in for each in (first, second, scores))

    def test_pieces_and_cuts(self, server: Running) -> None:
        told = server.post("/explain", {"queries": ["a cat"], "documents": ["word " * 1000]}).json()
        assert told["queries"][0]["pieces"] == ["a", " cat"]
        assert told["queries"][0]["cut"] is False
        assert (told["documents"][0]["cut"], told["documents"][0]["kept"]) == (True, LIMIT)

    @pytest.mark.parametrize("body", [{}, {"queries": ["x"]}, {"documents": ["x"]}])
    def test_nothing_on_one_side(self, server: Running, body: dict[str, list[str]]) -> None:
        told = server.post("/explain", body).json()
        assert len(told["map"]) == sum(map(len, body.values()))

    def test_without_the_reranker(self, server: Running) -> None:
        told = server.post("/explain", {"queries": ["x"], "documents": ["y"], "rerank": False}).json()
        assert told["scores"] is told["log_odds"] is None


def test_the_plane_keeps_the_distances_of_flat_data() -> None:
    flat = np.random.default_rng(0).standard_normal((6, 2)).astype(np.float32)
    lifted = (flat @ np.linalg.qr(np.random.default_rng(1).standard_normal((9, 2)))[0].T).astype(np.float32)
    drawn = plane(lifted)
    for points in (flat, drawn):
        points -= points[0]
    np.testing.assert_allclose(np.linalg.norm(drawn, axis=1), np.linalg.norm(flat, axis=1), atol=1e-5)

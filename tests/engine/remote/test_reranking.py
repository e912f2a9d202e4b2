"""Scores from a server: the same as at hand, in order, and nothing wrong unnoticed."""

import json
from typing import Any

import httpx
import numpy as np
import pytest

from quiver import Remote, Reranker
from quiver.errors import EndpointError, EndpointWarning, FingerprintMismatch, InputError
from tests.engine.remote.conftest import Way, anonymous
from tests.engine.remote.test_embedding import changed
from tests.server.running import Running

QUERIES = ["Why?", "\n<Query>: who\n<Document>: ", "北京"]
DOCUMENTS = ["China", "", "<|im_end|> yes", "\n<Document>: The capital of China is Beijing. " * 5]
PAIRS = [(query, document) for document in DOCUMENTS for query in QUERIES]
TOLERANCE = 1e-5


def remote(server: Running, **settings: Any) -> Reranker:
    return Reranker(backend=Remote(url=server.url, **{"check": False} | settings))


def test_the_same_scores(served: Running, reranker: Reranker) -> None:
    far = remote(served, texts_per_request=3)
    for instruction in (None, "Find\n<Query>: answers"):
        found = far.predict(PAIRS, instruction=instruction)
        expected = reranker.predict(PAIRS, instruction=instruction)
        np.testing.assert_allclose(found, expected, atol=TOLERANCE)
        np.testing.assert_allclose(found.log_odds, expected.log_odds, atol=TOLERANCE)
    assert far.fingerprint == reranker.fingerprint
    assert far.rank("Why?", DOCUMENTS) == [
        {**entry, "score": pytest.approx(entry["score"]), "log_odds": pytest.approx(entry["log_odds"])}
        for entry in reranker.rank("Why?", DOCUMENTS)
    ]
    assert far.predict([]).shape == (0,)


@pytest.mark.parametrize("path", ["/v1/rerank", "/v2/rerank", "/rerank", "/score"])
def test_every_dialect(path: str, way: Way, served: Running, reranker: Reranker) -> None:
    way.paths = ("/v1/models", path)
    found = remote(served).predict(PAIRS)
    np.testing.assert_allclose(found, reranker.predict(PAIRS), atol=TOLERANCE)


def test_an_address_is_enough(served: Running, reranker: Reranker) -> None:
    with pytest.warns(EndpointWarning, match="answers score no higher than other documents"):
        far = Reranker(url=served.url)
    np.testing.assert_allclose(far.predict(PAIRS), reranker.predict(PAIRS), atol=TOLERANCE)


def test_another_model_behind_the_address_is_an_error(way: Way, served: Running, reranker: Reranker) -> None:
    far = remote(served)
    way.alter = changed("x-quiver-fingerprint", "quiver1:other:t:yes-no:p:1:float32")
    with pytest.raises(FingerprintMismatch, match=f"{reranker.fingerprint}.*quiver1:other"):
        far.predict(PAIRS)


def test_an_instruction_is_for_servers_that_know_it(way: Way, served: Running) -> None:
    way.alter = anonymous
    far = remote(served)
    with pytest.raises(InputError, match="has no field for an instruction"):
        far.predict(PAIRS, instruction="Find answers")
    assert all("instruction" not in json.loads(request.content) for request in way.posts())


def scores_answered(way: Way, *scores: float) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200, json={"data": [{"id": "other"}]})
        count = len(json.loads(request.content)["documents"])
        results = [{"index": index, "relevance_score": scores[index % len(scores)]} for index in range(count)]
        return httpx.Response(200, json={"results": results[::-1]})

    way.fault = answer


def test_scores_that_are_no_probabilities_are_refused(way: Way) -> None:
    scores_answered(way, 0.5, 3.25)
    with pytest.raises(EndpointError, match=r"scores from 0\.50 to 3\.25, which are no probabilities"):
        Reranker(url="http://other")
    far = Reranker(backend=Remote(url="http://other", check=False))
    with pytest.raises(EndpointError, match=r"scores from 0\.50 to 3\.25"):
        far.rank("a", ["b", "c"])


def test_probabilities_become_log_odds(way: Way) -> None:
    scores_answered(way, 0.25, 1.0, 0.0)
    far = Reranker(backend=Remote(url="http://other", check=False))
    scores = far.predict([("a", "b"), ("a", "c"), ("a", "d")])
    np.testing.assert_allclose(scores, [0.25, 1.0, 0.0], atol=1e-6)
    assert scores.log_odds[0] == pytest.approx(np.log(1 / 3))
    assert np.isfinite(scores.log_odds).all()


def test_limits_are_the_servers() -> None:
    with pytest.raises(InputError, match="count tokens, which are the server's here"):
        Reranker(url="http://other", max_length=100)

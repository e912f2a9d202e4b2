import numpy as np
import pytest

from tests.server.running import Running

QUERY, DOCUMENTS = "cats", ["a dog", "a cat"]


@pytest.mark.parametrize("path", ["/score", "/v1/score"])
def test_one_text_with_many(server: Running, path: str) -> None:
    told = server.post(path, {"model": "quiver-reranker-mini", "text_1": QUERY, "text_2": DOCUMENTS}).json()
    expected = server.reranker.predict([(QUERY, document) for document in DOCUMENTS])
    np.testing.assert_allclose([each["score"] for each in told["data"]], expected, atol=1e-6)
    assert told["usage"]["prompt_tokens"] == expected.usage.tokens_in


def test_texts_in_pairs(server: Running) -> None:
    told = server.post("/score", {"text_1": ["cats", "dogs"], "text_2": DOCUMENTS}).json()
    expected = server.reranker.predict([("cats", "a dog"), ("dogs", "a cat")])
    np.testing.assert_allclose([each["score"] for each in told["data"]], expected, atol=1e-6)


def test_errors(server: Running) -> None:
    response = server.post("/score", {"text_1": ["a", "b", "c"], "text_2": DOCUMENTS})
    assert response.status_code == response.json()["error"]["code"] == 400
    assert "text_1 has 3 texts and text_2 has 2" in response.json()["error"]["message"]
    assert server.post("/score", {"model": "x", "text_1": "a", "text_2": "b"}).status_code == 404

from typing import Any

import cohere
import numpy as np
import pytest

from quiver.results import Ranking
from tests.server.running import Running

MODEL = "quiver-reranker-mini"
QUERY = "What is the capital of China?"
DOCUMENTS = ["Gravity attracts bodies.", "The capital of China is Beijing.", "北京是中国的首都。"]


def check(results: list[Any], ranking: Ranking) -> None:
    """Results of any client against the library's ranking."""
    assert [each.index for each in results] == [each["corpus_id"] for each in ranking]
    scores = [each.relevance_score for each in results]
    np.testing.assert_allclose(scores, [each["score"] for each in ranking], atol=1e-6)


def test_cohere_version_2(server: Running) -> None:
    with cohere.ClientV2(api_key="none", base_url=server.url) as client:
        response = client.rerank(model=MODEL, query=QUERY, documents=DOCUMENTS, top_n=2)
    check(response.results, server.reranker.rank(QUERY, DOCUMENTS, top_k=2))
    assert response.meta is not None
    assert response.meta.tokens is not None
    assert response.meta.tokens.input_tokens


def test_cohere_version_1(server: Running) -> None:
    documents = [DOCUMENTS[0], {"text": DOCUMENTS[1], "id": "7"}]
    with cohere.Client(api_key="none", base_url=server.url) as client:
        response = client.rerank(model=MODEL, query=QUERY, documents=documents, return_documents=True)
        bare = client.rerank(query=QUERY, documents=documents, return_documents=False)
    check(response.results, server.reranker.rank(QUERY, DOCUMENTS[:2]))
    assert response.results[0].document is not None
    assert response.results[0].document.text == DOCUMENTS[1]
    assert bare.results[0].document is None


@pytest.mark.parametrize("path", ["/v1/rerank", "/rerank"])
def test_jina_and_vllm(server: Running, path: str) -> None:
    body = {"model": MODEL, "query": QUERY, "documents": DOCUMENTS, "top_n": 1}
    told = server.post(path, body).json()
    expected = server.reranker.rank(QUERY, DOCUMENTS)
    (best,) = told["results"]
    assert (best["index"], best["document"]) == (expected[0]["corpus_id"], {"text": DOCUMENTS[1]})
    assert best["relevance_score"] == pytest.approx(expected[0]["score"], abs=1e-6)
    assert best["log_odds"] == pytest.approx(expected[0]["log_odds"], abs=1e-5)
    assert told["usage"]["total_tokens"] == expected.usage.tokens_in
    assert told["usage"]["tokens_saved"] == expected.usage.tokens_saved > 0


def test_an_instruction(server: Running) -> None:
    task = "Judge whether the document is in Chinese"
    told = server.post("/v2/rerank", {"query": QUERY, "documents": DOCUMENTS, "instruction": task}).json()
    expected = server.reranker.rank(QUERY, DOCUMENTS, instruction=task)
    assert [each["index"] for each in told["results"]] == [each["corpus_id"] for each in expected]


def test_documents_are_cut_where_a_client_said_so(server: Running) -> None:
    long = f"{DOCUMENTS[1]} " + "and so on " * 100
    body = {"query": QUERY, "documents": [long, DOCUMENTS[0]], "max_tokens_per_doc": 10}
    response = server.post("/v2/rerank", body)
    by_index = {each["index"]: each for each in response.json()["results"]}
    assert (by_index[0]["cut"], by_index[1]["cut"]) == (True, False)
    assert by_index[0]["kept"] - by_index[1]["kept"] in range(10)
    assert response.headers["x-quiver-cut"] == "0"
    assert response.json()["meta"]["warnings"] == ["longer than allowed and cut: 0"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"documents": ["word " * 1000]}, "longer than max_length"),
        ({"rank_fields": ["title"]}, "rank_fields"),
        ({"max_chunks_per_doc": 3}, "max_tokens_per_doc"),
        ({"relevant_spans": {"enabled": True}}, "relevant_spans"),
        ({"documents": []}, "documents: List should have at least 1 item"),
        ({"documents": [{"title": "x"}]}, "documents has none of the forms"),
        ({"texts": ["x"]}, "unknown field 'texts'"),
        ({"model": f"{MODEL}:query"}, "not served here"),
    ],
)
def test_what_cannot_be_honoured_is_refused_for_every_client(
    server: Running, body: dict[str, object], words: str
) -> None:
    for path in ("/v1/rerank", "/v2/rerank", "/rerank"):
        response = server.post(path, {"query": QUERY, "documents": DOCUMENTS, **body})
        told = response.json()
        assert response.status_code in (400, 404)
        assert words in told["message"]
        assert told["detail"] == told["error"]["message"] == told["message"]

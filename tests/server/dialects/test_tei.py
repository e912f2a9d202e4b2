from collections.abc import Iterator

import numpy as np
import pytest
from huggingface_hub import InferenceClient, close_session
from huggingface_hub.errors import HfHubHTTPError
from llama_index.embeddings.text_embeddings_inference import TextEmbeddingsInference

from tests.server.conftest import LIMIT, TEXTS
from tests.server.running import Running


@pytest.fixture
def client(server: Running) -> Iterator[InferenceClient]:
    with InferenceClient(model=server.url) as opened:
        yield opened
    close_session()


def test_the_hubs_client(server: Running, client: InferenceClient) -> None:
    vectors = client.feature_extraction(TEXTS)
    np.testing.assert_allclose(vectors, server.embedder.encode_document(TEXTS), atol=1e-6)
    vectors = client.feature_extraction(TEXTS[0], prompt_name="query", normalize=True)
    np.testing.assert_allclose(vectors, server.embedder.encode_query(TEXTS[:1]), atol=1e-6)
    vectors = client.feature_extraction(TEXTS[0], model=f"{server.url}/embed", dimensions=32)
    np.testing.assert_allclose(
        vectors, server.embedder.encode_document(TEXTS[:1], truncate_dim=32), atol=1e-6
    )


def test_the_hubs_client_sees_what_is_wrong(client: InferenceClient) -> None:
    with pytest.raises(HfHubHTTPError, match="no prompt named 'song'"):
        client.feature_extraction("x", prompt_name="song")
    with pytest.raises(HfHubHTTPError, match="normalize"):
        client.feature_extraction("x", normalize=False)


def test_llama_index(server: Running) -> None:
    model = TextEmbeddingsInference(model_name="any", base_url=server.url)
    vectors = model.get_text_embedding_batch(TEXTS[:3])
    np.testing.assert_allclose(vectors, server.embedder.encode_document(TEXTS[:3]), atol=1e-6)


def test_token_ids(server: Running) -> None:
    ids = server.embedder.tokenize(["Hello"])[0].tolist()
    told = server.post("/embed", {"inputs": [ids]}).json()
    np.testing.assert_allclose(told, server.embedder.encode_document(["Hello"]), atol=1e-6)


def test_truncation_and_what_the_headers_say(server: Running) -> None:
    body = {"inputs": ["word " * 1000, "x", "word " * 2000]}
    refused = server.post("/embed", body)
    assert refused.status_code == 413
    assert refused.json()["error_type"] == "Validation"
    done = server.post("/embed", {**body, "truncate": True, "truncation_direction": "Left"})
    assert done.status_code == 200
    assert done.headers["x-quiver-cut"] == "0,2"
    short = len(server.embedder.tokenize(["x"])[0])
    assert done.headers["x-quiver-item-tokens"] == f"{LIMIT},{short},{LIMIT}"
    assert done.json()[0] == pytest.approx(done.json()[2], abs=1e-6)
    assert done.headers["x-quiver-input-type"] == "document; default"


def test_reranking(server: Running) -> None:
    query, texts = "cats", ["a dog", "a cat", "cats and dogs"]
    ranking = server.reranker.rank(query, texts)
    told = server.post("/rerank", {"query": query, "texts": texts, "return_text": True}).json()
    assert [each["index"] for each in told] == [each["corpus_id"] for each in ranking]
    assert [each["text"] for each in told] == [texts[each["corpus_id"]] for each in ranking]
    np.testing.assert_allclose(
        [each["score"] for each in told], [each["score"] for each in ranking], atol=1e-6
    )
    raw = server.post("/rerank", {"query": query, "texts": texts, "raw_scores": True}).json()
    log_odds = [each["log_odds"] for each in ranking]
    np.testing.assert_allclose([each["score"] for each in raw], log_odds, atol=1e-5)
    assert "text" not in raw[0]


def test_errors_of_reranking_are_in_the_shape_of_the_request(server: Running) -> None:
    assert server.post("/rerank", {"query": "x", "texts": []}).json().keys() == {"error", "error_type"}
    assert server.post("/rerank", {"query": "x"}).json()["error"] == "texts: Field required"
    assert "message" in server.post("/rerank", {"query": "x", "documents": []}).json()


def test_tokens(server: Running) -> None:
    (tokens,) = server.post("/tokenize", {"inputs": "naïve 北京"}).json()
    assert [token["id"] for token in tokens] == server.embedder.tokenize(["naïve 北京"])[0].tolist()
    assert (tokens[-1]["text"], tokens[-1]["special"]) == ("<|endoftext|>", True)
    text = "naïve 北京"
    assert "".join(token["text"] for token in tokens[:-1]) == text
    placed = [token for token in tokens if token["start"] is not None]
    assert all(text[token["start"] : token["stop"]] == token["text"] for token in placed)
    (bare,) = server.post("/tokenize", {"inputs": ["x"], "add_special_tokens": False}).json()
    assert [token["text"] for token in bare] == ["x"]
    (query,) = server.post("/tokenize", {"inputs": ["x"], "prompt_name": "query"}).json()
    prompt = server.embedder.prompts.query
    assert [token["id"] for token in query] == server.embedder.tokenize(["x"], prompt=prompt)[0].tolist()
    assert query[0]["start"] is None


def test_info(server: Running) -> None:
    info = server.get("/info").json()
    assert (info["model_id"], info["max_input_length"]) == ("quiver-embedding-mini", LIMIT)
    assert info["model_type"] == {"embedding": {"pooling": "last_token"}}
    assert info["embedder"]["fingerprint"] == str(server.embedder.fingerprint)
    assert info["reranker"]["name"] == "quiver-reranker-mini"
    assert info["index"] is None

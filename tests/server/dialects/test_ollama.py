from collections.abc import Iterator

import numpy as np
import ollama
import pytest

import quiver
from tests.server.conftest import TEXTS
from tests.server.running import Running

MODEL = "quiver-embedding-mini"


@pytest.fixture
def client(server: Running) -> Iterator[ollama.Client]:
    with ollama.Client(host=server.url) as opened:
        yield opened


@pytest.mark.parametrize("model", [MODEL, f"{MODEL}:latest", f"{MODEL}:document"])
def test_documents(server: Running, client: ollama.Client, model: str) -> None:
    response = client.embed(model=model, input=TEXTS)
    expected = server.embedder.encode_document(TEXTS)
    np.testing.assert_allclose(response.embeddings, expected, atol=1e-6)
    assert response.prompt_eval_count == expected.usage.tokens_in


def test_queries_and_a_dimension(server: Running, client: ollama.Client) -> None:
    response = client.embed(model=f"{MODEL}:query", input=TEXTS[0], dimensions=64)
    expected = server.embedder.encode_query(TEXTS[:1], truncate_dim=64)
    np.testing.assert_allclose(response.embeddings, expected, atol=1e-6)


def test_the_older_request(server: Running, client: ollama.Client) -> None:
    response = client.embeddings(model=MODEL, prompt="Hello")
    np.testing.assert_allclose(response.embedding, server.embedder.encode_document("Hello"), atol=1e-6)
    assert client.embeddings(model=MODEL, prompt="").embedding == []


def test_truncation_is_the_default_and_reported(server: Running, client: ollama.Client) -> None:
    tokens, kept = (len(ids) for ids in server.embedder.tokenize(["a b c d e f", "a b c"]))
    options = {"num_ctx": kept}
    body = {"model": MODEL, "input": "a b c d e f", "options": options}
    told = server.post("/api/embed", body).json()
    assert told["items"] == [{"tokens": tokens, "kept": kept, "cut": True}]
    np.testing.assert_allclose(told["embeddings"], server.embedder.encode_document(["a b c"]), atol=1e-6)
    with pytest.raises(ollama.ResponseError, match=f"longer than max_length={kept}") as caught:
        client.embed(model=MODEL, input="a b c d e f", options=options, truncate=False)
    assert caught.value.status_code == 400


def test_no_input_gives_no_vectors(client: ollama.Client) -> None:
    assert client.embed(model=MODEL, input=[]).embeddings == []


def test_models_and_version(server: Running, client: ollama.Client) -> None:
    names = [model.model for model in client.list().models]
    assert names == [f"{MODEL}:latest", f"{MODEL}:query", f"{MODEL}:document"]
    assert server.get("/api/version").json() == {"version": quiver.__version__}


def test_an_unknown_model(client: ollama.Client) -> None:
    with pytest.raises(ollama.ResponseError, match="'nomic-embed-text' is not served here") as caught:
        client.embed(model="nomic-embed-text", input="x")
    assert caught.value.status_code == 404

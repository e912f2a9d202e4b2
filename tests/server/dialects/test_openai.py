import base64
from collections.abc import Iterator

import httpx
import numpy as np
import openai
import pytest

from tests.server.conftest import LIMIT, TEXTS
from tests.server.running import Running

MODEL = "quiver-embedding-mini"


@pytest.fixture
def client(server: Running) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as opened:
        yield opened


def test_the_client_gets_the_librarys_vectors(server: Running, client: openai.OpenAI) -> None:
    """It asks for base64 by itself."""
    response = client.embeddings.create(model=MODEL, input=TEXTS)
    vectors = np.asarray([each.embedding for each in response.data])
    np.testing.assert_allclose(vectors, server.embedder.encode_document(TEXTS), atol=1e-6)
    assert [each.index for each in response.data] == [0, 1, 2, 3]
    assert response.usage.prompt_tokens == sum(map(len, server.embedder.tokenize(TEXTS)))


@pytest.mark.parametrize("encoding", ["float", "base64"])
def test_a_single_text_in_both_encodings(server: Running, client: openai.OpenAI, encoding: str) -> None:
    told = server.post("/v1/embeddings", {"input": "Hello", "encoding_format": encoding}).json()
    vector = told["data"][0]["embedding"]
    if encoding == "base64":
        vector = np.frombuffer(base64.b64decode(vector), "<f4")
    assert np.array_equal(np.asarray(vector, np.float32), server.embedder.encode_document("Hello"))


def test_dimensions(server: Running, client: openai.OpenAI) -> None:
    response = client.embeddings.create(
        model=MODEL, input="Hello", dimensions=64, encoding_format="float", user="somebody"
    )
    expected = server.embedder.encode_document("Hello", truncate_dim=64)
    np.testing.assert_allclose(response.data[0].embedding, expected, atol=1e-6)


def test_token_ids_are_the_models_own(server: Running, client: openai.OpenAI) -> None:
    ids = [sequence.tolist() for sequence in server.embedder.tokenize(TEXTS[:2])]
    expected = server.embedder.encode_document(TEXTS[:2])
    response = client.embeddings.create(model=MODEL, input=ids)
    np.testing.assert_allclose([each.embedding for each in response.data], expected, atol=1e-6)
    response = client.embeddings.create(model=MODEL, input=ids[1])
    np.testing.assert_allclose(response.data[0].embedding, expected[1], atol=1e-6)
    with pytest.raises(openai.BadRequestError, match="token ids that the model does not have"):
        client.embeddings.create(model=MODEL, input=[[151_000]])


@pytest.mark.parametrize(
    ("model", "extra"),
    [
        (f"{MODEL}:query", {}),
        (MODEL, {"input_type": "query"}),
        (MODEL, {"task": "retrieval.query"}),
        (f"{MODEL}:query", {"input_type": "query", "task": "retrieval.query"}),
    ],
)
def test_ways_to_say_query(server: Running, client: openai.OpenAI, model: str, extra: dict[str, str]) -> None:
    raw = client.embeddings.with_raw_response.create(model=model, input=TEXTS[0], extra_body=extra)
    assert raw.headers["x-quiver-input-type"] == "query"
    expected = server.embedder.encode_query(TEXTS[0])
    np.testing.assert_allclose(raw.parse().data[0].embedding, expected, atol=1e-6)


def test_an_instruction_makes_queries(server: Running, client: openai.OpenAI) -> None:
    told = client.embeddings.create(model=MODEL, input="sort", extra_body={"instruction": "Find code"})
    expected = server.embedder.encode_query("sort", instruction="Find code")
    np.testing.assert_allclose(told.data[0].embedding, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"model": f"{MODEL}:query", "input_type": "document"}, "both document and query"),
        ({"input_type": "document", "instruction": "Find"}, "stands before queries"),
        ({"input_type": "song"}, "no prompt named 'song'"),
        ({"instruction": " "}, "instruction is empty"),
        ({"task": "retrieval.song"}, "task must be one of"),
        ({"late_chunking": True}, "late_chunking"),
        ({"normalized": False}, "normalized"),
        ({"dimensions": 100_000}, "truncate_dim must lie between 1 and 416"),
        ({"dimensions": "64"}, "dimensions: Input should be a valid integer"),
        ({"instructions": "Find"}, "unknown field 'instructions'"),
        ({"input": []}, "input has none of the forms"),
        ({"input": [[]]}, "input has none of the forms"),
        ({"encoding_format": "float", "embedding_type": "base64"}, "differ"),
        ({"input": "\N{GRINNING FACE}" * 1000}, "longer than max_length"),
    ],
)
def test_what_cannot_be_honoured_is_refused(server: Running, body: dict[str, object], words: str) -> None:
    response = server.post("/v1/embeddings", {"input": "Hello", **body})
    assert response.status_code == 400
    assert words in response.json()["error"]["message"]
    assert response.json()["detail"] == response.json()["error"]["message"]


def test_the_default_is_stated(server: Running) -> None:
    response = server.post("/v1/embeddings", {"input": "Hello"})
    assert response.headers["x-quiver-input-type"] == response.json()["input_type"] == "document; default"
    fingerprint = str(server.embedder.fingerprint)
    assert response.headers["x-quiver-fingerprint"] == response.json()["fingerprint"] == fingerprint


def test_cuts_and_counts(server: Running) -> None:
    long = "word " * 1000
    response = server.post("/v1/embeddings", {"input": ["Hello", long], "truncate": True})
    short, cut = response.json()["data"]
    assert (short["cut"], cut["cut"], cut["kept"]) == (False, True, LIMIT)
    assert cut["tokens"] == len(server.embedder.tokenize([long])[0])
    assert response.headers["x-quiver-cut"] == "1"
    assert response.headers["x-quiver-item-tokens"] == f"{short['kept']},{LIMIT}"


def test_usage_counts_what_was_saved(server: Running) -> None:
    usage = server.post("/v1/embeddings", {"input": ["the same words", "the same words"]}).json()["usage"]
    assert usage["tokens_saved"] == usage["prompt_tokens"] / 2
    assert usage["tokens_computed"] == usage["prompt_tokens"] / 2


def test_models(server: Running, client: openai.OpenAI) -> None:
    names = [model.id for model in client.models.list()]
    assert names == [MODEL, f"{MODEL}:query", f"{MODEL}:document", "quiver-reranker-mini"]
    assert client.models.retrieve(f"{MODEL}:query").owned_by == "quiver"
    with pytest.raises(openai.NotFoundError, match="'gpt' is not served here"):
        client.models.retrieve("gpt")


def test_an_unknown_model_is_no_other_one(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        client.embeddings.create(model="text-embedding-3-small", input="Hello")
    assert caught.value.code == "model_not_found"


class TestJina:
    """By its documented shapes."""

    def test_a_request_of_its_own(self, server: Running) -> None:
        body = {
            "model": MODEL,
            "task": "retrieval.passage",
            "dimensions": 128,
            "normalized": True,
            "late_chunking": False,
            "embedding_type": "float",
            "input": [{"text": "Hello"}, {"text": "World"}],
        }
        told = server.post("/v1/embeddings", body).json()
        expected = server.embedder.encode_document(["Hello", "World"], truncate_dim=128)
        np.testing.assert_allclose([each["embedding"] for each in told["data"]], expected, atol=1e-6)
        assert told["usage"]["total_tokens"] == expected.usage.tokens_in

    @pytest.mark.parametrize("encoding", ["binary", "ubinary"])
    def test_binary_vectors_are_signs(self, server: Running, encoding: str) -> None:
        told = server.post("/v1/embeddings", {"input": "Hello", "embedding_type": encoding}).json()
        packed = np.asarray(told["data"][0]["embedding"]) + (128 if encoding == "binary" else 0)
        signs = np.unpackbits(packed.astype(np.uint8)).astype(bool)
        assert np.array_equal(signs, server.embedder.encode_document("Hello") > 0)

    def test_errors_are_in_detail(self, server: Running) -> None:
        response = server.post("/v1/embeddings", {"input": "x", "model": "jina-embeddings-v3"})
        assert response.status_code == 404
        assert "jina-embeddings-v3" in response.json()["detail"]


def test_json_alone(server: Running) -> None:
    response = httpx.post(server.url + "/v1/embeddings", content=b'{"input": "x"}')
    assert response.status_code == 415
    assert "Content-Type: application/json" in response.json()["error"]["message"]

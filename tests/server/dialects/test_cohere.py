import base64
from collections.abc import Iterator
from typing import Any

import cohere
import numpy as np
import pytest

from tests.server.conftest import TEXTS
from tests.server.running import Running

EMBEDDER, RERANKER = "quiver-embedding-mini", "quiver-reranker-mini"


pytestmark = [  # of cohere, when it merges its batches
    pytest.mark.filterwarnings("ignore:Accessing the 'model_fields' attribute:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The `parse_obj` method is deprecated:DeprecationWarning"),
]


@pytest.fixture
def client(server: Running) -> Iterator[cohere.ClientV2]:
    with cohere.ClientV2(api_key="none", base_url=server.url) as opened:
        yield opened


@pytest.fixture
def old_client(server: Running) -> Iterator[cohere.Client]:
    with cohere.Client(api_key="none", base_url=server.url) as opened:
        yield opened


@pytest.mark.parametrize("input_type", ["search_query", "search_document", "classification", "clustering"])
def test_vectors_of_version_2(server: Running, client: cohere.ClientV2, input_type: str) -> None:
    response = client.embed(
        model=EMBEDDER, texts=TEXTS, input_type=input_type, embedding_types=["float", "base64", "ubinary"]
    )
    encode = server.embedder.encode_query if input_type == "search_query" else server.embedder.encode_document
    expected = encode(TEXTS)
    np.testing.assert_allclose(np.asarray(response.embeddings.float_), expected, atol=1e-6)
    decoded = [np.frombuffer(base64.b64decode(each), "<f4") for each in response.embeddings.base64 or ()]
    np.testing.assert_allclose(decoded, expected, atol=1e-6)
    signs = np.unpackbits(np.asarray(response.embeddings.ubinary, np.uint8), axis=1).astype(bool)
    assert np.array_equal(signs, np.asarray(expected) > 0)
    assert response.meta is not None
    assert response.meta.billed_units is not None
    assert response.meta.billed_units.input_tokens == expected.usage.tokens_in


def test_inputs_in_parts_and_a_dimension(server: Running, client: cohere.ClientV2) -> None:
    parts: Any = [{"content": [{"type": "text", "text": "Hello"}, {"type": "text", "text": "World"}]}]
    response = client.embed(model=EMBEDDER, inputs=parts, input_type="search_document", output_dimension=64)
    expected = server.embedder.encode_document(["Hello\nWorld"], truncate_dim=64)
    np.testing.assert_allclose(np.asarray(response.embeddings.float_), expected, atol=1e-6)


def test_version_1_without_types_gives_lists(server: Running, old_client: cohere.Client) -> None:
    response = old_client.embed(model=EMBEDDER, texts=TEXTS, input_type="search_query")
    assert response.response_type == "embeddings_floats"
    np.testing.assert_allclose(
        np.asarray(response.embeddings), server.embedder.encode_query(TEXTS), atol=1e-6
    )
    response = old_client.embed(model=EMBEDDER, texts=TEXTS, embedding_types=["float"])
    assert response.response_type == "embeddings_by_type"
    np.testing.assert_allclose(
        np.asarray(response.embeddings.float_), server.embedder.encode_document(TEXTS), atol=1e-6
    )


def test_version_1_merges_batches(server: Running, old_client: cohere.Client) -> None:
    texts = [f"text {number}" for number in range(200)]
    response = old_client.embed(model=EMBEDDER, texts=texts)
    np.testing.assert_allclose(
        np.asarray(response.embeddings), server.embedder.encode_document(texts), atol=1e-6
    )


@pytest.mark.parametrize(("truncate", "words"), [("END", "a b c"), ("START", "d e f")])
def test_truncation_takes_the_end_that_was_asked_for(
    server: Running, client: cohere.ClientV2, truncate: str, words: str
) -> None:
    expected = server.embedder.encode_document([words])
    response = client.embed(
        model=EMBEDDER,
        texts=["a b c d e f"],
        input_type="search_document",
        truncate=truncate,
        max_tokens=expected.usage.tokens_in,
    )
    np.testing.assert_allclose(np.asarray(response.embeddings.float_), expected, atol=1e-6)
    assert response.meta is not None
    assert response.meta.warnings == ["longer than allowed and cut: 0"]


def test_longer_texts_are_an_error_by_default(client: cohere.ClientV2) -> None:
    with pytest.raises(cohere.errors.BadRequestError) as caught:
        client.embed(model=EMBEDDER, texts=["a b c d"], input_type="search_document", max_tokens=3)
    assert "longer than max_length=3" in caught.value.body["message"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "input_type: Field required"),
        ({"input_type": "search_query", "embedding_types": ["int8"]}, "int8 needs a scale"),
        ({"input_type": "image"}, "texts only"),
        ({"input_type": "search_document", "images": ["data:"]}, "texts only"),
        ({"input_type": "search_document", "inputs": [{"content": [{"type": "text"}]}]}, "only one of them"),
        ({"input_type": "search_document", "output_dimension": 0}, "output_dimension"),
        (
            {"input_type": "search_document", "output_dimension": 4, "embedding_types": ["binary"]},
            "that 8 divides",
        ),
    ],
)
def test_what_cannot_be_honoured_is_refused(server: Running, body: dict[str, object], words: str) -> None:
    response = server.post("/v2/embed", {"model": EMBEDDER, "texts": ["Hello"], **body})
    assert response.status_code == 400
    assert words in response.json()["message"]


def test_an_unknown_model(client: cohere.ClientV2) -> None:
    with pytest.raises(cohere.errors.NotFoundError):
        client.embed(model="embed-v4.0", texts=["x"], input_type="search_query")
    with pytest.raises(cohere.errors.NotFoundError):
        client.rerank(model=EMBEDDER, query="x", documents=["y"])

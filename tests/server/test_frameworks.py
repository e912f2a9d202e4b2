"""Frameworks over the clients, as their users set them up."""

import numpy as np
from langchain_openai import OpenAIEmbeddings
from llama_index.embeddings.openai_like import OpenAILikeEmbedding
from pydantic import SecretStr

from tests.server.conftest import TEXTS
from tests.server.running import Running

MODEL = "quiver-embedding-mini"


def langchain(server: Running, model: str) -> OpenAIEmbeddings:
    """Texts as texts: by default it sends tokens of OpenAI's tokenizer, which this model does not have."""
    return OpenAIEmbeddings(
        model=model,
        base_url=f"{server.url}/v1",
        api_key=SecretStr("none"),
        check_embedding_ctx_length=False,
    )


def test_langchain(server: Running) -> None:
    documents = langchain(server, MODEL).embed_documents(TEXTS)
    np.testing.assert_allclose(documents, server.embedder.encode_document(TEXTS), atol=1e-6)
    query = langchain(server, f"{MODEL}:query").embed_query(TEXTS[0])
    np.testing.assert_allclose(query, server.embedder.encode_query(TEXTS[0]), atol=1e-6)


def test_llama_index(server: Running) -> None:
    model = OpenAILikeEmbedding(model_name=MODEL, api_base=f"{server.url}/v1", api_key="none")
    documents = model.get_text_embedding_batch(TEXTS[:3])
    np.testing.assert_allclose(documents, server.embedder.encode_document(TEXTS[:3]), atol=1e-6)
    asks = OpenAILikeEmbedding(model_name=f"{MODEL}:query", api_base=f"{server.url}/v1", api_key="none")
    query = asks.get_query_embedding(TEXTS[0])
    np.testing.assert_allclose(query, server.embedder.encode_query(TEXTS[0]), atol=1e-6)

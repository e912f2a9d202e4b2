"""LlamaIndex's interfaces give the library's own numbers."""

import asyncio
import pickle

import pytest
from llama_index.core import VectorStoreIndex
from llama_index.core.llms import MockLLM
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.response_synthesizers.no_text import NoText
from llama_index.core.schema import MetadataMode, NodeWithScore, TextNode
from llama_index.core.storage.kvstore import SimpleKVStore
from pydantic import ValidationError

from quiver import Embedder, Reranker
from quiver.errors import InputError
from quiver.integrations.llama_index import QuiverEmbedding, QuiverRerank
from tests.integrations.texts import DOCUMENTS, INSTRUCTION, QUERY


def nodes() -> list[TextNode]:
    return [
        TextNode(id_=str(at), text=text, metadata={"author": f"no. {at}"})
        for at, text in enumerate(DOCUMENTS)
    ]


def scored() -> list[NodeWithScore]:
    return [NodeWithScore(node=node, score=0.5) for node in nodes()]


def seen(node: TextNode) -> str:
    """What models are to see of a node, by LlamaIndex."""
    return node.get_content(metadata_mode=MetadataMode.EMBED)


def test_texts_are_embedded_as_documents(embedding_model: str, embedder: Embedder) -> None:
    embedding = QuiverEmbedding(model_name=embedding_model, dtype="float32")
    expected = embedder.encode_document(DOCUMENTS).tolist()
    assert embedding.get_text_embedding_batch(DOCUMENTS) == expected
    assert embedding.get_text_embedding(DOCUMENTS[0]) == expected[0]


def test_queries_are_embedded_as_queries(embedding_model: str, embedder: Embedder) -> None:
    embedding = QuiverEmbedding(model_name=embedding_model, dtype="float32")
    assert embedding.get_query_embedding(QUERY) == embedder.encode_query(QUERY).tolist()
    assert embedding.get_query_embedding(QUERY) != embedding.get_text_embedding(QUERY)


def test_instruction_and_dimension_are_settings(embedding_model: str, embedder: Embedder) -> None:
    embedding = QuiverEmbedding(
        model_name=embedding_model, dtype="float32", instruction=INSTRUCTION, truncate_dim=16
    )
    expected = embedder.encode_query(QUERY, instruction=INSTRUCTION, truncate_dim=16)
    assert embedding.get_query_embedding(QUERY) == expected.tolist()
    expected = embedder.encode_document(DOCUMENTS, truncate_dim=16)
    assert embedding.get_text_embedding_batch(DOCUMENTS) == expected.tolist()


def test_batches_do_not_change_a_vector() -> None:
    alone = QuiverEmbedding(embed_batch_size=1).get_text_embedding_batch(DOCUMENTS)
    assert alone == QuiverEmbedding().get_text_embedding_batch(DOCUMENTS)


def test_asynchronous_calls_are_the_same() -> None:
    embedding = QuiverEmbedding()

    async def embed() -> tuple[list[float], list[float], list[list[float]]]:
        return (
            await embedding.aget_query_embedding(QUERY),
            await embedding.aget_text_embedding(QUERY),
            await embedding.aget_text_embedding_batch(DOCUMENTS),
        )

    assert asyncio.run(embed()) == (
        embedding.get_query_embedding(QUERY),
        embedding.get_text_embedding(QUERY),
        embedding.get_text_embedding_batch(DOCUMENTS),
    )


def test_settings_survive_json_and_pickle(embedding_model: str) -> None:
    embedding = QuiverEmbedding(model_name=embedding_model, instruction=INSTRUCTION, truncate_dim=16)
    embedding.get_query_embedding(QUERY)
    written = embedding.to_dict()
    assert written["class_name"] == "QuiverEmbedding"
    assert written["model_name"] == embedding_model
    assert QuiverEmbedding.from_json(embedding.to_json()).to_dict() == written
    assert pickle.loads(pickle.dumps(embedding)).to_dict() == written
    rerank = QuiverRerank(model="some/model", top_n=3, instruction=INSTRUCTION)
    assert QuiverRerank.from_dict(rerank.to_dict()).to_dict() == rerank.to_dict()


def test_a_misspelt_setting_is_refused() -> None:
    with pytest.raises(ValidationError, match="truncate_dims"):
        QuiverEmbedding(truncate_dims=16)  # type: ignore[call-arg]


def test_a_cache_that_mixes_queries_and_documents_is_refused() -> None:
    with pytest.raises(ValidationError, match="knows a vector by its text alone"):
        QuiverEmbedding(embeddings_cache=SimpleKVStore())


def test_reranking_scores_and_orders_as_the_reranker(reranking_model: str, reranker: Reranker) -> None:
    rerank = QuiverRerank(model=reranking_model, dtype="float32", top_n=4, instruction=INSTRUCTION)
    kept = rerank.postprocess_nodes(scored(), query_str=QUERY)
    ranking = reranker.rank(QUERY, [seen(node) for node in nodes()], instruction=INSTRUCTION)
    assert [int(each.node.node_id) for each in kept] == [ranked["corpus_id"] for ranked in ranking]
    assert [each.score for each in kept] == [ranked["score"] for ranked in ranking]


def test_reranking_keeps_the_best_and_leaves_its_input_alone() -> None:
    given = scored()
    kept = QuiverRerank(top_n=1).postprocess_nodes(given, query_str=QUERY)
    assert [each.node.node_id for each in kept] == ["1"]
    assert [each.score for each in given] == [0.5] * len(given)
    assert QuiverRerank().postprocess_nodes([], query_str=QUERY) == []


def test_reranking_asynchronously() -> None:
    rerank = QuiverRerank(top_n=3)
    kept = asyncio.run(rerank.apostprocess_nodes(scored(), query_str=QUERY))
    assert kept == rerank.postprocess_nodes(scored(), query_str=QUERY)


def test_reranking_needs_a_query() -> None:
    with pytest.raises(InputError, match="give query_bundle or query_str"):
        QuiverRerank().postprocess_nodes(scored())


def test_an_index_with_a_postprocessor() -> None:
    index = VectorStoreIndex(nodes(), embed_model=QuiverEmbedding(truncate_dim=128))
    engine = RetrieverQueryEngine(
        index.as_retriever(similarity_top_k=4),
        response_synthesizer=NoText(llm=MockLLM()),
        node_postprocessors=[QuiverRerank(top_n=2)],
    )
    found = engine.query(QUERY).source_nodes
    assert len(found) == 2
    assert found[0].node.node_id == "1"

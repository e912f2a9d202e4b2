"""LangChain's interfaces give the library's own numbers."""

import asyncio
import pickle

import pytest
from langchain_core.documents import Document
from langchain_core.runnables import RunnableLambda, RunnablePassthrough
from langchain_core.vectorstores import InMemoryVectorStore
from pydantic import ValidationError

from quiver import Embedder, Reranker, Searcher
from quiver.errors import InputError
from quiver.integrations.langchain import QuiverEmbeddings, QuiverReranker, QuiverRetriever
from tests.integrations.texts import DOCUMENTS, INSTRUCTION, QUERY


def documents() -> list[Document]:
    return [Document(id=str(at), page_content=text, metadata={"at": at}) for at, text in enumerate(DOCUMENTS)]


def test_documents_are_embedded_as_documents(embedding_model: str, embedder: Embedder) -> None:
    vectors = QuiverEmbeddings(model=embedding_model, dtype="float32").embed_documents(DOCUMENTS)
    assert vectors == embedder.encode_document(DOCUMENTS).tolist()


def test_queries_are_embedded_as_queries(embedding_model: str, embedder: Embedder) -> None:
    embeddings = QuiverEmbeddings(model=embedding_model, dtype="float32")
    assert embeddings.embed_query(QUERY) == embedder.encode_query(QUERY).tolist()
    assert embeddings.embed_query(QUERY) != embeddings.embed_documents([QUERY])[0]


def test_instruction_and_dimension_are_settings(embedding_model: str, embedder: Embedder) -> None:
    embeddings = QuiverEmbeddings(
        model=embedding_model, dtype="float32", instruction=INSTRUCTION, truncate_dim=16
    )
    expected = embedder.encode_query(QUERY, instruction=INSTRUCTION, truncate_dim=16)
    assert embeddings.embed_query(QUERY) == expected.tolist()
    expected = embedder.encode_document(DOCUMENTS, truncate_dim=16)
    assert embeddings.embed_documents(DOCUMENTS) == expected.tolist()


def test_no_documents_are_no_vectors() -> None:
    assert QuiverEmbeddings().embed_documents([]) == []


def test_asynchronous_calls_are_the_same() -> None:
    async def embed() -> tuple[list[float], list[list[float]]]:
        embeddings = QuiverEmbeddings()
        return await embeddings.aembed_query(QUERY), await embeddings.aembed_documents(DOCUMENTS)

    embeddings = QuiverEmbeddings()
    assert asyncio.run(embed()) == (embeddings.embed_query(QUERY), embeddings.embed_documents(DOCUMENTS))


def test_settings_survive_json_and_pickle(embedding_model: str) -> None:
    embeddings = QuiverEmbeddings(model=embedding_model, instruction=INSTRUCTION, truncate_dim=16)
    embeddings.embed_query(QUERY)
    assert QuiverEmbeddings.model_validate_json(embeddings.model_dump_json()) == embeddings
    assert pickle.loads(pickle.dumps(embeddings)) == embeddings


def test_a_misspelt_setting_is_refused() -> None:
    with pytest.raises(ValidationError, match="truncate_dims"):
        QuiverEmbeddings(truncate_dims=16)  # type: ignore[call-arg]


def test_reranking_scores_and_orders_as_the_reranker(reranking_model: str, reranker: Reranker) -> None:
    compressor = QuiverReranker(model=reranking_model, dtype="float32", top_n=None, instruction=INSTRUCTION)
    kept = compressor.compress_documents(documents(), QUERY)
    ranking = reranker.rank(QUERY, DOCUMENTS, instruction=INSTRUCTION)
    assert [document.metadata["at"] for document in kept] == [ranked["corpus_id"] for ranked in ranking]
    assert [document.metadata["relevance_score"] for document in kept] == [r["score"] for r in ranking]


def test_reranking_keeps_the_best_and_leaves_its_input_alone() -> None:
    given = documents()
    kept = QuiverReranker(top_n=1).compress_documents(given, QUERY)
    assert [(document.id, document.page_content) for document in kept] == [("1", DOCUMENTS[1])]
    assert given == documents()
    assert QuiverReranker().compress_documents([], QUERY) == []


def test_reranking_asynchronously() -> None:
    compressor = QuiverReranker()
    kept = asyncio.run(compressor.acompress_documents(documents(), QUERY))
    assert kept == compressor.compress_documents(documents(), QUERY)


def test_the_retriever_returns_what_the_searcher_finds(searcher: Searcher) -> None:
    retriever = QuiverRetriever(searcher=searcher, k=2, mode="dense", instruction=INSTRUCTION)
    found = retriever.invoke(QUERY)
    hits = searcher.search(QUERY, top_k=2, mode="dense", instruction=INSTRUCTION)
    assert [document.page_content for document in found] == [hit.passage.text for hit in hits]
    assert [document.metadata["score"] for document in found] == [hit.score for hit in hits]


def test_a_retrieved_document_says_where_it_stands(searcher: Searcher) -> None:
    [git] = QuiverRetriever(searcher=searcher, k=1, mode="text").invoke(QUERY)
    assert git.id == f"docs/git.md:{git.metadata['start']}"
    assert git.metadata["source"] == "docs/git.md"
    assert git.metadata["title"] == "Git"
    assert git.metadata["headings"] == ["Git", "Undo"]
    assert git.metadata["stage"] == "text"
    assert "page" not in git.metadata


def test_the_retriever_filters(searcher: Searcher) -> None:
    [bread] = QuiverRetriever(searcher=searcher, where="metadata.year = 2024").invoke(QUERY)
    assert bread.metadata["metadata"] == {"year": 2024}


def test_the_retriever_asynchronously_and_in_batches(searcher: Searcher) -> None:
    retriever = QuiverRetriever(searcher=searcher, k=1)
    alone = [retriever.invoke(query) for query in (QUERY, "ships")]
    assert retriever.batch([QUERY, "ships"]) == alone
    assert asyncio.run(retriever.abatch([QUERY, "ships"])) == alone


def test_a_chain_of_retriever_and_reranker(searcher: Searcher) -> None:
    reranker = QuiverReranker(top_n=1)
    chain = RunnablePassthrough.assign(
        documents=RunnableLambda(lambda given: given["query"]) | QuiverRetriever(searcher=searcher)
    ) | RunnableLambda(lambda given: reranker.compress_documents(given["documents"], given["query"]))
    [best] = chain.invoke({"query": QUERY})
    assert best.metadata["source"] == "docs/git.md"
    assert 0 < best.metadata["relevance_score"] < 1


def test_a_vector_store_of_langchain() -> None:
    store = InMemoryVectorStore.from_documents(documents(), QuiverEmbeddings())
    [best] = store.similarity_search(QUERY, k=1)
    assert best.page_content == DOCUMENTS[1]


def test_errors_are_the_librarys_own(searcher: Searcher) -> None:
    with pytest.raises(InputError, match="truncate_dim must lie between 1 and 416"):
        QuiverEmbeddings(truncate_dim=9999).embed_query(QUERY)
    with pytest.raises(InputError, match="the query is blank"):
        QuiverRetriever(searcher=searcher).invoke(" ")

"""LangChain: Quiver as ``Embeddings``, as a document compressor that reranks, and as a retriever."""

from collections.abc import Sequence
from typing import Any

from quiver.integrations.extra import missing

try:
    from langchain_core.callbacks import CallbackManagerForRetrieverRun, Callbacks
    from langchain_core.documents import BaseDocumentCompressor, Document
    from langchain_core.embeddings import Embeddings
    from langchain_core.retrievers import BaseRetriever
except ModuleNotFoundError as error:
    raise missing("langchain-core", "langchain") from error

from quiver.integrations.settings import (
    EmbedderSettings,
    ModelSettings,
    encode_documents,
    encode_queries,
    open_reranker,
)
from quiver.search.hits import Hit
from quiver.search.searcher import Mode, Searcher


class QuiverEmbeddings(EmbedderSettings, Embeddings):
    """Vectors of an embedding model: queries behind their instruction, documents bare."""

    model: str | None = None
    """A hub name or a folder; None is the built-in model."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Vectors of documents."""
        vectors: list[list[float]] = encode_documents(self.model, self, texts).tolist()
        return vectors

    def embed_query(self, text: str) -> list[float]:
        """The vector of a query."""
        vector: list[float] = encode_queries(self.model, self, [text])[0].tolist()
        return vector


class QuiverReranker(ModelSettings, BaseDocumentCompressor):
    """The most relevant documents, best first; ``relevance_score`` in the metadata is the probability."""

    model: str | None = None
    """A hub name or a folder; None is the built-in model."""
    top_n: int | None = 3
    """Documents to keep; None keeps all."""

    def compress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> Sequence[Document]:
        """The documents by their relevance to the query."""
        ranking = open_reranker(self.model, self).rank(
            query,
            [document.page_content for document in documents],
            top_k=self.top_n,
            instruction=self.instruction,
            show_progress_bar=False,
        )
        return [_scored(documents[ranked["corpus_id"]], ranked["score"]) for ranked in ranking]


class QuiverRetriever(BaseRetriever):
    """Passages of an index, found as ``Searcher.search`` finds them."""

    searcher: Searcher
    k: int = 10
    """Passages to return."""
    mode: Mode = "hybrid"
    candidates: int = 100
    rerank_top: int = 20
    instruction: str | None = None
    where: str | None = None
    budget_ms: float | None = None

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun
    ) -> list[Document]:
        hits = self.searcher.search(
            query,
            top_k=self.k,
            mode=self.mode,
            candidates=self.candidates,
            rerank_top=self.rerank_top,
            instruction=self.instruction,
            where=self.where,
            budget_ms=self.budget_ms,
        )
        return [_document(hit) for hit in hits]


def _scored(document: Document, score: float) -> Document:
    return document.model_copy(update={"metadata": {**document.metadata, "relevance_score": score}})


def _document(hit: Hit) -> Document:
    """A passage; what its file says of it stays apart in ``metadata``, so that no name hides another."""
    passage = hit.passage
    known: dict[str, Any] = {
        "source": passage.path,
        "title": passage.title,
        "headings": list(passage.headings),
        "first_line": passage.first_line,
        "last_line": passage.last_line,
        "page": passage.page,
        "start": passage.start,
        "metadata": dict(passage.metadata),
        "score": hit.score,
        "stage": hit.stage,
        "other_paths": list(hit.other_paths) or None,
    }
    return Document(
        id=f"{passage.path}:{passage.start}",
        page_content=passage.text,
        metadata={name: value for name, value in known.items() if value is not None},
    )

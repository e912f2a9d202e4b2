"""LlamaIndex: Quiver as an embedding model, and as a node postprocessor that reranks."""

import asyncio
from typing import Any

from quiver.integrations.extra import missing

try:
    from llama_index.core.base.embeddings.base import BaseEmbedding
    from llama_index.core.callbacks import CBEventType, EventPayload
    from llama_index.core.instrumentation.events.rerank import ReRankEndEvent, ReRankStartEvent
    from llama_index.core.postprocessor.types import BaseNodePostprocessor
    from llama_index.core.schema import MetadataMode, NodeWithScore, QueryBundle
    from llama_index_instrumentation import get_dispatcher
except ModuleNotFoundError as error:
    raise missing("llama-index-core", "llama-index") from error

from pydantic import Field, field_validator

from quiver.errors import InputError
from quiver.integrations.settings import (
    EmbedderSettings,
    ModelSettings,
    encode_documents,
    encode_queries,
    open_reranker,
)
from quiver.models.catalog import BUILTIN_EMBEDDER, BUILTIN_RERANKER

BATCH_SIZE = 256
"""Texts a call; the engine packs them into batches of tokens by itself."""

_dispatcher = get_dispatcher(__name__)


class QuiverEmbedding(EmbedderSettings, BaseEmbedding):
    """Vectors of an embedding model: queries behind their instruction, texts of nodes bare."""

    model_name: str = Field(default=BUILTIN_EMBEDDER, description="A hub name or a folder.")
    embed_batch_size: int = Field(default=BATCH_SIZE, description="Texts a call.", gt=0, le=2048)

    @classmethod
    def class_name(cls) -> str:
        """The name under which LlamaIndex writes it down."""
        return "QuiverEmbedding"

    @field_validator("embeddings_cache")
    @classmethod
    def _refuse_a_cache(cls, cache: object) -> None:
        if cache is not None:
            raise InputError(
                "LlamaIndex's embeddings_cache knows a vector by its text alone: a query would get the "
                "vector of an equal document, and one model the other's; leave it out"
            )

    def _get_query_embedding(self, query: str) -> list[float]:
        vector: list[float] = encode_queries(self.model_name, self, [query])[0].tolist()
        return vector

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._get_text_embeddings([text])[0]

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        vectors: list[list[float]] = encode_documents(self.model_name, self, texts).tolist()
        return vectors

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return await asyncio.to_thread(self._get_query_embedding, query)

    async def _aget_text_embedding(self, text: str) -> list[float]:
        return await asyncio.to_thread(self._get_text_embedding, text)

    async def _aget_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return await asyncio.to_thread(self._get_text_embeddings, texts)


class QuiverRerank(ModelSettings, BaseNodePostprocessor):
    """The most relevant of the nodes, best first; their score becomes the probability of relevance."""

    model: str = Field(default=BUILTIN_RERANKER, description="A hub name or a folder.")
    top_n: int = Field(default=2, description="Nodes to keep.", gt=0)

    @classmethod
    def class_name(cls) -> str:
        """The name under which LlamaIndex writes it down."""
        return "QuiverRerank"

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        if query_bundle is None:
            raise InputError("nodes are reranked for a query; give query_bundle or query_str")
        query = query_bundle.query_str
        _dispatcher.event(
            ReRankStartEvent(query=query_bundle, nodes=nodes, top_n=self.top_n, model_name=self.model)
        )
        payload: dict[str, Any] = {
            EventPayload.NODES: nodes,
            EventPayload.MODEL_NAME: self.model,
            EventPayload.QUERY_STR: query,
            EventPayload.TOP_K: self.top_n,
        }
        with self.callback_manager.event(CBEventType.RERANKING, payload=payload) as event:
            kept = self._ranked(query, nodes)
            event.on_end(payload={EventPayload.NODES: kept})
        _dispatcher.event(ReRankEndEvent(nodes=kept))
        return kept

    def _ranked(self, query: str, nodes: list[NodeWithScore]) -> list[NodeWithScore]:
        ranking = open_reranker(self.model, self).rank(
            query,
            [each.node.get_content(metadata_mode=MetadataMode.EMBED) for each in nodes],
            top_k=self.top_n,
            instruction=self.instruction,
            show_progress_bar=False,
        )
        return [
            NodeWithScore(node=nodes[ranked["corpus_id"]].node, score=ranked["score"]) for ranked in ranking
        ]

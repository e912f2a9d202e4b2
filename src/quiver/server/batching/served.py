"""Served models: a model behind its batcher. A stand-in with the names of the real one."""

from dataclasses import dataclass

from quiver.embedder import Embedder
from quiver.reranker import Reranker
from quiver.results import Embeddings, Scores
from quiver.server.batching.batcher import Batcher
from quiver.server.batching.call import Call
from quiver.text.sequences import Prepared


@dataclass(frozen=True, slots=True)
class ServedEmbedder:
    """An embedder whose calls run in batches with others."""

    embedder: Embedder
    batcher: Batcher
    name: str = ""

    async def embed(self, prepared: Prepared, call: Call, truncate_dim: int | None = None) -> Embeddings:
        """Unit vectors of prepared texts."""
        ran = await self.batcher.run(prepared.sequences, call)
        return self.embedder.finish(prepared, ran.rows, ran.usage, truncate_dim=truncate_dim)


@dataclass(frozen=True, slots=True)
class ServedReranker:
    """A reranker whose calls run in batches with others."""

    reranker: Reranker
    batcher: Batcher
    name: str = ""

    async def score(self, prepared: Prepared, call: Call) -> Scores:
        """Scores of prepared pairs."""
        ran = await self.batcher.run(prepared.sequences, call)
        return self.reranker.finish(prepared, ran.rows, ran.usage)

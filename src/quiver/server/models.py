"""Models: what a server serves, and by which names clients may ask for it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quiver.embedder import Embedder
from quiver.models import catalog
from quiver.reranker import Reranker
from quiver.search.store import Store
from quiver.server.batching.batcher import Batcher
from quiver.server.batching.limits import QueueLimits
from quiver.server.batching.served import ServedEmbedder, ServedReranker
from quiver.server.errors import Refusal

LATEST = ":latest"
"""What Ollama's clients may put behind a name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedModels:
    """Models in memory, tested and ready to be served."""

    embedder: Embedder | None = None
    embedder_name: str = catalog.BUILTIN_EMBEDDER
    reranker: Reranker | None = None
    reranker_name: str = catalog.BUILTIN_RERANKER
    store: Store | None = None
    """Of the index to search, made with the embedder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedModels:
    """Models behind their batchers."""

    embedder: ServedEmbedder | None
    reranker: ServedReranker | None
    store: Store | None
    aliases: Sequence[str] = ()

    def need_embedder(self) -> ServedEmbedder:
        """The embedder; raises Refusal if this server has none."""
        if self.embedder is None:
            raise Refusal("not_found", "this server embeds nothing: it was started without --embedder")
        return self.embedder

    def need_reranker(self) -> ServedReranker:
        """The reranker; raises Refusal if this server has none."""
        if self.reranker is None:
            raise Refusal("not_found", "this server reranks nothing: it was started without --reranker")
        return self.reranker

    def embedder_suffix(self, asked: str | None) -> str | None:
        """What stands behind the embedder's name (``NAME:query``); raises Refusal for another name."""
        return self._suffix(asked, self.need_embedder().name)

    def check_reranker(self, asked: str | None) -> None:
        """Raise Refusal unless a client means the reranker."""
        name = self.need_reranker().name
        if self._suffix(asked, name) is not None:
            raise self._unknown(str(asked), name)

    def described(self) -> dict[str, dict[str, Any] | None]:
        """Facts about each model, for clients."""
        return {
            "embedder": None if self.embedder is None else _embedder_facts(self.embedder),
            "reranker": None if self.reranker is None else _reranker_facts(self.reranker),
            "index": None if self.store is None else {"passages": self.store.count()},
        }

    def _suffix(self, asked: str | None, name: str) -> str | None:
        if not asked:
            return None
        wanted = asked.removesuffix(LATEST)
        known = {each.lower() for each in (name, name.rpartition("/")[2], *self.aliases)}
        if wanted.lower() in known:
            return None
        base, _, suffix = wanted.rpartition(":")
        if base.lower() in known and suffix:
            return suffix
        raise self._unknown(asked, name)

    def _unknown(self, asked: str, name: str) -> Refusal:
        return Refusal("unknown_model", f"model {asked!r} is not served here; {name!r} is", field="model")


def _embedder_facts(served: ServedEmbedder) -> dict[str, Any]:
    embedder = served.embedder
    return {
        "name": served.name,
        "fingerprint": str(embedder.fingerprint),
        "dimension": embedder.embedding_dim,
        "max_length": embedder.max_length,
    }


def _reranker_facts(served: ServedReranker) -> dict[str, Any]:
    reranker = served.reranker
    return {
        "name": served.name,
        "fingerprint": str(reranker.fingerprint),
        "max_length": reranker.max_length,
    }


def serve_models(opened: OpenedModels, limits: QueueLimits, aliases: Sequence[str] = ()) -> ServedModels:
    """Put models behind batchers."""
    embedder, reranker = opened.embedder, opened.reranker
    return ServedModels(
        embedder=None
        if embedder is None
        else ServedEmbedder(embedder, Batcher(embedder.steps, limits, "embedder"), opened.embedder_name),
        reranker=None
        if reranker is None
        else ServedReranker(reranker, Batcher(reranker.steps, limits, "reranker"), opened.reranker_name),
        store=opened.store,
        aliases=aliases,
    )


def served_name(model: str) -> str:
    """What clients call a model: its hub name, or its folder's name without where that lies."""
    return Path(model).resolve().name if Path(model).exists() else model

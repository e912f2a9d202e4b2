"""Quiver: text embedding and reranking with the Qwen3 Embedding models.

>>> from quiver import Embedder, Reranker
>>> Embedder().encode_query("What is the capital of China?").shape
(416,)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from quiver.embedder import Embedder as Embedder
    from quiver.engine.backends import Remote as Remote
    from quiver.engine.backends import Vllm as Vllm
    from quiver.errors import QuiverError as QuiverError
    from quiver.reranker import Reranker as Reranker
    from quiver.results import Embeddings as Embeddings
    from quiver.results import Ranking as Ranking
    from quiver.results import Scores as Scores
    from quiver.search.searcher import Searcher as Searcher

__version__ = "0.1.0"

_HOMES = {
    "Embedder": "quiver.embedder",
    "Embeddings": "quiver.results",
    "QuiverError": "quiver.errors",
    "Ranking": "quiver.results",
    "Remote": "quiver.engine.backends",
    "Reranker": "quiver.reranker",
    "Scores": "quiver.results",
    "Searcher": "quiver.search.searcher",
    "Vllm": "quiver.engine.backends",
}

__all__ = sorted([*_HOMES, "__version__"])


def __getattr__(name: str) -> Any:  # noqa: ANN401
    """Import a public name when it is first used, so that ``import quiver`` costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module 'quiver' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)

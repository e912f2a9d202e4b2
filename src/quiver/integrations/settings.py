"""Settings: the model behind an adapter, named by plain values and opened when it is first used.

An adapter holds no model, only what names it: so it can be compared, copied, pickled and written as JSON.
Adapters that name the same model share it; the last few of a process stay open.
"""

from collections.abc import Sequence
from functools import lru_cache
from threading import Lock

from pydantic import BaseModel, ConfigDict

from quiver.embedder import Embedder
from quiver.reranker import Reranker
from quiver.results import Embeddings
from quiver.text.truncation import TooLongPolicy

KEPT = 4
"""Models of each kind that stay open."""

_opening = Lock()
"""Two threads that ask for a model at once must not both load it."""


class ModelSettings(BaseModel):
    """How a model is opened, besides its name."""

    model_config = ConfigDict(extra="forbid")

    revision: str | None = None
    """Branch, tag or commit on the hub."""
    device: str | None = None
    """``cpu``, ``cuda``, ``cuda:N``, ``mps``; None takes the best there is."""
    dtype: str = "auto"
    """Number format; ``auto`` takes what the device runs fast."""
    max_length: int | None = None
    """Longest sequence in tokens, prompt included; None is the model's limit."""
    on_too_long: TooLongPolicy = "error"
    """Whether a longer text is an error, or loses its end (``truncate``)."""
    instruction: str | None = None
    """The task of the queries in one sentence, instead of the model's default."""


class EmbedderSettings(ModelSettings):
    """How an embedding model is opened and used."""

    truncate_dim: int | None = None
    """Length of the vectors (Matryoshka); None is the model's full length."""


def open_embedder(model: str | None, settings: EmbedderSettings) -> Embedder:
    """The embedder that the settings describe, whatever the length of its vectors."""
    with _opening:
        return _embedder(model, *_opening_options(settings))


def open_reranker(model: str | None, settings: ModelSettings) -> Reranker:
    """The reranker that the settings describe."""
    with _opening:
        return _reranker(model, *_opening_options(settings))


def encode_queries(model: str | None, settings: EmbedderSettings, texts: Sequence[str]) -> Embeddings:
    """Vectors of queries behind the instruction: [N, dimension]."""
    return open_embedder(model, settings).encode_query(
        texts,
        instruction=settings.instruction,
        truncate_dim=settings.truncate_dim,
        show_progress_bar=False,
    )


def encode_documents(model: str | None, settings: EmbedderSettings, texts: Sequence[str]) -> Embeddings:
    """Vectors of documents, which have no instruction: [N, dimension]."""
    return open_embedder(model, settings).encode_document(
        texts, truncate_dim=settings.truncate_dim, show_progress_bar=False
    )


_Options = tuple[str | None, str | None, str, int | None, TooLongPolicy]


def _opening_options(settings: ModelSettings) -> _Options:
    return settings.revision, settings.device, settings.dtype, settings.max_length, settings.on_too_long


@lru_cache(maxsize=KEPT)
def _embedder(
    model: str | None,
    revision: str | None,
    device: str | None,
    dtype: str,
    max_length: int | None,
    on_too_long: TooLongPolicy,
) -> Embedder:
    return Embedder(
        model,
        revision=revision,
        device=device,
        dtype=dtype,
        max_length=max_length,
        on_too_long=on_too_long,
    )


@lru_cache(maxsize=KEPT)
def _reranker(
    model: str | None,
    revision: str | None,
    device: str | None,
    dtype: str,
    max_length: int | None,
    on_too_long: TooLongPolicy,
) -> Reranker:
    return Reranker(
        model,
        revision=revision,
        device=device,
        dtype=dtype,
        max_length=max_length,
        on_too_long=on_too_long,
    )

"""Loading: from the options of a command to a model, importing the heavy parts only now."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from quiver.models import catalog

if TYPE_CHECKING:
    from quiver.embedder import Embedder
    from quiver.reranker import Reranker


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelOptions:
    """What the command line says about the model; fields as in ``Embedder``."""

    model: str | None = None
    revision: str | None = None
    device: str | None = None
    dtype: str = "auto"
    max_length: int | None = None
    truncate: bool = False
    token_budget: int | None = None
    parse_special_tokens: bool = False

    @property
    def on_too_long(self) -> Literal["error", "truncate"]:
        """The policy for texts beyond the length limit."""
        return "truncate" if self.truncate else "error"

    def embedder_arguments(self, dimension: int | None) -> dict[str, Any]:
        """Arguments of ``Embedder``, as they hold in any folder and on every node of a cluster."""
        is_here = self.model is not None and Path(self.model).exists()
        return {
            "model": str(Path(self.model or "").resolve()) if is_here else self.model,
            "revision": self.revision,
            "device": self.device,
            "dtype": self.dtype,
            "max_length": self.max_length,
            "on_too_long": self.on_too_long,
            "truncate_dim": dimension,
            "parse_special_tokens": self.parse_special_tokens,
            "token_budget": self.token_budget,
        }


def load_embedder(options: ModelOptions, *, dimension: int | None) -> "Embedder":
    """Open the embedder that the options describe."""
    from quiver.embedder import Embedder

    return Embedder(
        options.model,
        revision=options.revision,
        device=options.device,
        dtype=options.dtype,
        max_length=options.max_length,
        on_too_long=options.on_too_long,
        truncate_dim=dimension,
        parse_special_tokens=options.parse_special_tokens,
        token_budget=options.token_budget,
    )


def load_reranker(options: ModelOptions) -> "Reranker":
    """Open the reranker that the options describe."""
    from quiver.reranker import Reranker

    return Reranker(
        options.model,
        revision=options.revision,
        device=options.device,
        dtype=options.dtype,
        max_length=options.max_length,
        on_too_long=options.on_too_long,
        parse_special_tokens=options.parse_special_tokens,
        token_budget=options.token_budget,
    )


def embedder_name(options: ModelOptions) -> str:
    """What to write into files as the name of the embedding model."""
    return options.model or catalog.BUILTIN_EMBEDDER


def reranker_name(options: ModelOptions) -> str:
    """What to write into files as the name of the reranking model."""
    return options.model or catalog.BUILTIN_RERANKER

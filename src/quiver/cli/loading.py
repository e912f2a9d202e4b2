"""Loading: from the options of a command to a model, importing the heavy parts only now."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from quiver.cli.options import API_KEY_ENV, say_on_stderr
from quiver.errors import EndpointWarning, InputError
from quiver.models import catalog

if TYPE_CHECKING:
    from quiver.embedder import Embedder
    from quiver.engine.backends import Backend
    from quiver.reranker import Reranker


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelOptions:
    """What the command line says about the model; fields as in ``Embedder``."""

    model: str | None = None
    url: str | None = None
    served_as: str | None = None
    api_key_env: str = API_KEY_ENV
    revision: str | None = None
    device: str | None = None
    dtype: str = "auto"
    backend: Literal["auto", "native", "torch", "vllm"] = "auto"
    max_length: int | None = None
    truncate: bool = False
    token_budget: int | None = None
    parse_special_tokens: bool = False

    @property
    def on_too_long(self) -> Literal["error", "truncate"]:
        """The policy for texts beyond the length limit."""
        return "truncate" if self.truncate else "error"

    @property
    def engine(self) -> "Backend":
        """What runs the model; raises InputError for half a server."""
        if self.url is None:
            if self.served_as is not None:
                raise InputError("--served-as names a model of a server; give its --url, too")
            return self.backend
        if self.backend != "auto":
            raise InputError("a server has its own engine: give --url or --backend, not both")
        from quiver.engine.backends import Remote

        return Remote(url=self.url, served_as=self.served_as, api_key_env=self.api_key_env)

    def name_or(self, builtin: str) -> str:
        """What to write into files as the model's name; ``builtin`` is the one that ships."""
        return self.model or self.served_as or (builtin if self.url is None else "served")

    @property
    def arguments(self) -> dict[str, Any]:
        """What ``Embedder`` and ``Reranker`` take alike, without what runs them."""
        return {
            "revision": self.revision,
            "device": self.device,
            "dtype": self.dtype,
            "max_length": self.max_length,
            "on_too_long": self.on_too_long,
            "parse_special_tokens": self.parse_special_tokens,
            "token_budget": self.token_budget,
        }

    def embedder_arguments(self, dimension: int | None) -> dict[str, Any]:
        """Arguments of ``Embedder``, as they hold in any folder and on every node of a cluster."""
        is_here = self.model is not None and Path(self.model).exists()
        return {
            "model": str(Path(self.model or "").resolve()) if is_here else self.model,
            "backend": self.backend,
            "truncate_dim": dimension,
            **self.arguments,
        }


def load_embedder(options: ModelOptions, *, dimension: int | None) -> "Embedder":
    """Open the embedder that the options describe."""
    from quiver.embedder import Embedder

    with _warnings_as_lines():
        return Embedder(options.model, backend=options.engine, truncate_dim=dimension, **options.arguments)


def load_reranker(options: ModelOptions) -> "Reranker":
    """Open the reranker that the options describe."""
    from quiver.reranker import Reranker

    with _warnings_as_lines():
        return Reranker(options.model, backend=options.engine, **options.arguments)


@contextmanager
def _warnings_as_lines() -> Iterator[None]:
    """What is likely to be wrong with a server, said on standard error as other messages are."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", EndpointWarning)
        yield
    for warning in caught:
        say_on_stderr(f"warning: {warning.message}")


def embedder_name(options: ModelOptions) -> str:
    """What to write into files as the name of the embedding model."""
    return options.name_or(catalog.BUILTIN_EMBEDDER)


def reranker_name(options: ModelOptions) -> str:
    """What to write into files as the name of the reranking model."""
    return options.name_or(catalog.BUILTIN_RERANKER)

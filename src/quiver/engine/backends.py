"""Backends: the names of the engines, and the settings of those that have some."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from quiver.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class Vllm:
    """Run a model with vLLM (extra ``[vllm]``); ``backend="vllm"`` takes these defaults."""

    tensor_parallel_size: int = 1
    """GPUs (or processor sockets) among which every layer is divided."""
    memory_share: float | None = None
    """Part of a GPU's (or the machine's) memory, above 0 and at most 1; None leaves it to vLLM."""
    prefix_caching: bool = True
    """Whether keys and values of an instruction or a query are computed once for many texts.

    They never are where attention is bidirectional.
    """

    def __post_init__(self) -> None:
        if self.tensor_parallel_size < 1:
            raise InputError(f"tensor_parallel_size must be at least 1, not {self.tensor_parallel_size}")
        if self.memory_share is not None and not 0 < self.memory_share <= 1:
            raise InputError(f"memory_share must lie above 0 and be at most 1, not {self.memory_share}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """A server that runs the model, OpenAI-, TEI-, Cohere-, Jina-, vLLM- or Ollama-shaped (``[remote]``)."""

    url: str
    """With or without a trailing ``/v1``."""
    api_key: str | None = None
    """None takes it from the environment."""
    api_key_env: str = "QUIVER_API_KEY"
    served_as: str | None = None
    """The model's name there; None takes the one of the same name, else the first that answers."""
    concurrency: int = 4
    """Requests under way at a time."""
    texts_per_request: int = 32
    tokens_per_request: int = 4096
    """A longer text goes alone."""
    timeout: float = 120.0
    """Seconds to wait for an answer."""
    check: bool = True
    """Whether the server is looked at before it is used, with three to six small requests."""

    def __post_init__(self) -> None:
        for name in ("concurrency", "texts_per_request", "tokens_per_request", "timeout"):
            if getattr(self, name) <= 0:
                raise InputError(f"{name} must be above 0, not {getattr(self, name)}")

    def __repr__(self) -> str:
        """Without the key, and what stands before an @ in the address."""
        scheme, slashes, rest = self.url.partition("//")
        shown = scheme + slashes + rest.rpartition("@")[2]
        return f"Remote(url={shown!r}, served_as={self.served_as!r})"


Backend: TypeAlias = Literal["auto", "native", "torch", "vllm"] | Vllm | Remote

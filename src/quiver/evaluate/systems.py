"""Systems: what can be evaluated: whatever turns texts into vectors, or ranks documents by their words."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from quiver.interpolation import retrieval_weight_of
from quiver.results import Floats


@runtime_checkable
class Encoder(Protocol):
    """Texts to vectors, of which only the directions count; ``quiver.Embedder`` is one."""

    def encode_query(
        self,
        texts: Sequence[str],
        *,
        instruction: str | Sequence[str] | None = ...,
        show_progress_bar: bool | None = ...,
    ) -> Floats:
        """Vectors [N, E] of texts behind an instruction, or one for each text."""

    def encode_document(self, texts: Sequence[str], *, show_progress_bar: bool | None = ...) -> Floats:
        """Vectors [N, E] of texts that stand bare."""


@runtime_checkable
class Lexical(Protocol):
    """Documents scored by the words that they share with queries; ``Bm25`` is one."""

    def relevance(
        self, queries: Sequence[str], documents: Sequence[str], languages: Sequence[str]
    ) -> Iterator[Floats]:
        """For each query a score of every document [D]; 0 where nothing is shared."""


class PairScorer(Protocol):
    """Queries and documents read together; ``quiver.Reranker`` is one."""

    def predict(
        self,
        pairs: Sequence[tuple[str, str]],
        *,
        instruction: str | Sequence[str] | None = ...,
        show_progress_bar: bool | None = ...,
    ) -> Floats:
        """Scores [N], higher for documents that meet their query better."""


System = Encoder | Lexical


@dataclass(frozen=True, slots=True, kw_only=True)
class RerankStage:
    """A second look at the best documents of a first ranking."""

    name: str
    model: PairScorer
    top: int = 100
    """Documents of each query that are reordered; those below stay where they are."""
    together: int = 16
    """Queries whose pairs run in one call."""

    @property
    def retrieval_weight(self) -> float:
        """What a spread of the first ranking's scores counts in spreads of the model's."""
        return retrieval_weight_of(self.model)


def identity_of(model: object) -> str:
    """What tells apart two models of one name: Quiver's fingerprint and limit, or ``model.identity``."""
    fingerprint = getattr(model, "fingerprint", None)
    if fingerprint is None:
        return str(getattr(model, "identity", ""))
    identity = f"{fingerprint} max_length={getattr(model, 'max_length', None)}"
    weight = retrieval_weight_of(model)
    return f"{identity} retrieval_weight={weight}" if weight else identity

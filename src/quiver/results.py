"""Results: arrays that carry what happened to the texts, and the ranking of documents."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict

import numpy as np
import numpy.typing as npt

from quiver.engine.plan import Usage
from quiver.models.fingerprint import Fingerprint
from quiver.text.truncation import Cut

if TYPE_CHECKING:
    import torch

Floats = npt.NDArray[np.float32]


class Embeddings(np.ndarray[Any, np.dtype[np.float32]]):
    """Unit vectors, float32 [N, dimension] (or [dimension] of a single text): a NumPy array that knows more.

    ``usage`` counts tokens, ``cuts`` lists the texts that were cut, ``fingerprint`` names the vector space.
    Slices keep the fingerprint.
    """

    usage: Usage
    cuts: tuple[Cut, ...]
    fingerprint: Fingerprint | None

    def __new__(
        cls, rows: Floats, usage: Usage, cuts: Sequence[Cut], fingerprint: Fingerprint
    ) -> "Embeddings":
        """Wrap rows without copying them."""
        self = np.ascontiguousarray(rows, dtype=np.float32).view(cls)
        self.usage, self.cuts, self.fingerprint = usage, tuple(cuts), fingerprint
        return self

    def __array_finalize__(self, source: Any) -> None:  # noqa: ANN401  (NumPy's signature)
        self.usage, self.cuts = Usage(), ()
        self.fingerprint = getattr(source, "fingerprint", None)

    def torch(self) -> "torch.Tensor":
        """The same memory as a torch tensor."""
        import torch

        return torch.from_numpy(np.asarray(self))


def probability(log_odds: npt.ArrayLike) -> Floats:
    """Squash log-odds, in double precision and by a form that does not overflow."""
    exact = np.asarray(log_odds, dtype=np.float64)
    return np.exp(-np.logaddexp(0.0, -exact)).astype(np.float32)


class Scores(np.ndarray[Any, np.dtype[np.float32]]):
    """Relevance scores in [0, 1], float32 [N]: the probability of "yes" among "yes" and "no".

    ``log_odds`` [N] are the same judgements unsquashed: they tell apart what rounds to 1.0.
    """

    log_odds: Floats
    usage: Usage
    cuts: tuple[Cut, ...]

    def __new__(cls, log_odds: Floats, usage: Usage, cuts: Sequence[Cut]) -> "Scores":
        """Squash log-odds."""
        self = probability(log_odds).view(cls)
        self.log_odds, self.usage, self.cuts = log_odds, usage, tuple(cuts)
        return self

    def __array_finalize__(self, source: Any) -> None:  # noqa: ANN401  (NumPy's signature)
        self.log_odds, self.usage, self.cuts = np.empty(0, dtype=np.float32), Usage(), ()


class RankedDocument(TypedDict):
    """One document of a ranking; ``corpus_id`` is its position in the input."""

    corpus_id: int
    score: float
    log_odds: float
    text: NotRequired[str]


class Ranking(list[RankedDocument]):
    """Documents, the most relevant first; equal ones in input order."""

    def __init__(self, documents: Iterable[RankedDocument], usage: Usage, cuts: Sequence[Cut]) -> None:
        super().__init__(documents)
        self.usage = usage
        self.cuts = tuple(cuts)

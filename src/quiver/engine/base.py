"""The engine interface: the one border between Quiver and whatever runs the network.

An engine owns weights and working memory. It is given packed token sequences and which rows to return; it
never sees a text, pads nothing and never attends across sequences. What plans for itself, another library or
another machine, is a ``WholeEngine`` and is given whole sequences.

Letters in shape comments: T tokens in the batch, N sequences in it, H query heads, G key/value heads, D head
size, E hidden size.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from quiver.engine.plan import Usage
from quiver.errors import CheckpointError
from quiver.text.tokenizer import TokenIds

Floats = npt.NDArray[np.float32]


class Prefix(Protocol):
    """Kept keys and values of a token sequence that others continue; released when nothing refers to it."""

    @property
    def length(self) -> int:
        """Tokens from the start of the text, those of the prefixes before it included."""


@dataclass(frozen=True, slots=True)
class Batch:
    """N token sequences laid end to end, each alone or continuing a prefix.

    Sequences that continue the same prefix stand next to each other.
    """

    token_ids: npt.NDArray[np.int32]
    """[T]"""
    boundaries: npt.NDArray[np.int64]
    """[N + 1] where each sequence begins; the last is T. No sequence is empty."""
    prefixes: Sequence[Prefix | None]
    """[N] what each sequence continues."""

    def check_vocabulary(self, size: int) -> None:
        """Raise CheckpointError for a token that a model of this vocabulary does not have."""
        highest = int(self.token_ids.max())
        if highest >= size or int(self.token_ids.min()) < 0:
            raise CheckpointError(
                f"token {highest} lies outside the model's vocabulary of {size}: tokenizer.json belongs to "
                "another model, or a special token was parsed that this model does not know"
            )

    @property
    def last_rows(self) -> npt.NDArray[np.int64]:
        """[N] the row of each sequence's last token."""
        return self.boundaries[1:] - 1


class Engine(Protocol):
    """Runs one checkpoint."""

    @property
    def precision(self) -> str:
        """Name of the arithmetic, part of a vector's fingerprint: ``float32``, ``bfloat16``, ..."""

    @property
    def device(self) -> str:
        """Where it runs, for people to read: ``cpu (native, avx2, 2 threads)``, ``cuda:0 (torch)``."""

    @property
    def token_budget(self) -> int:
        """Tokens a batch should hold at most; bounds working memory. A longer text runs alone."""

    @property
    def prefix_budget(self) -> int:
        """Tokens whose keys and values may be kept at one time.

        0 where attention is bidirectional: every text then runs whole, and ``keep`` is not called.
        """

    def keep(self, batch: Batch) -> list[Prefix]:
        """Run the sequences and keep their keys and values: [N] handles for later batches."""

    def run(self, batch: Batch, rows: npt.NDArray[np.int64]) -> Floats:
        """Run the sequences and return rows of the packed batch after the final norm.

        [len(rows), E], or [len(rows), 2] logits of "no" and "yes" if the engine has a reranker's head.
        """


@runtime_checkable
class WholeEngine(Protocol):
    """Runs whole sequences by a plan of its own."""

    @property
    def precision(self) -> str:
        """As ``Engine.precision``."""

    @property
    def device(self) -> str:
        """As ``Engine.device``."""

    @property
    def sees_tokens(self) -> bool:
        """Whether the elements of a sequence are tokens; they are characters for some servers."""

    def run_whole(
        self, sequences: Sequence[TokenIds], advance: Callable[[int], None]
    ) -> tuple[Floats, Usage]:
        """The last row of each sequence (its length does not matter), or its logits of "no" and "yes".

        [N, E] or [N, 2] for N of at least 1; no sequence comes twice. ``advance`` is told the tokens done.
        """


AnyEngine = Engine | WholeEngine

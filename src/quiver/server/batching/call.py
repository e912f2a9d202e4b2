"""Call: what the batcher knows of the request behind some sequences, and what it gives back."""

from dataclasses import dataclass

from quiver.engine.plan import Usage
from quiver.errors import QuiverError
from quiver.results import Floats


class QueueFullError(QuiverError):
    """More waits than the server holds; ``retry_after`` is when half of it will be done, in seconds."""

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class DeadlineError(QuiverError):
    """A call's time was over before its turn came."""


class DrainingError(QuiverError):
    """The batcher takes no more calls."""


@dataclass(frozen=True, slots=True)
class Call:
    """Who asks, and until when the answer is worth having."""

    deadline: float | None = None
    """By ``time.monotonic()``; None is for ever."""
    key: str = ""
    """The client: those who wait take turns."""


@dataclass(frozen=True, slots=True)
class Ran:
    """What became of a call's sequences.

    ``usage.tokens_computed`` is the call's share of its batches: prefixes are paid by those who share them,
    equal sequences by all who wait for one.
    """

    rows: Floats
    """[N, hidden size], or the two logits."""
    usage: Usage
    cached: int = 0
    """Sequences whose rows were kept from earlier calls."""

"""Call: what a batcher knows of the request behind some sequences."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Call:
    """Who asks, and until when the answer is worth having."""

    deadline: float | None = None
    """By ``time.monotonic()``; None is for ever."""
    key: str = ""
    """The client, for fairness between clients."""

"""Queue limits: how much may wait, and how long a batch may keep the engine."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueLimits:
    """Bounds of one model's queue."""

    max_waiting_tokens: int = 2_000_000
    """A call beyond it is refused, unless nothing waits."""
    max_waiting_requests: int = 512
    max_waiting_per_key: int = 256
    """Calls of one client."""
    batch_tokens: int = 16_384
    """Tokens that run together while only bulk calls wait."""
    slice_tokens: int = 1024
    """At least so many run together, however short calls wait: a smaller batch wastes the processor."""
    slice_seconds: float = 0.08
    """How long a batch may run by the speed so far, once short calls have come."""
    short_call_tokens: int = 512
    """A call of no more tokens is short, and goes ahead of bulk ones."""
    bulk_share: float = 0.25
    """Of a batch while short calls wait too: bulk calls slow down and never stop."""
    cache_bytes: int = 0
    """Memory for the rows of earlier sequences; 0 keeps none."""

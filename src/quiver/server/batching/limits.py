"""Queue limits: how much may wait, and how long others keep the engine."""

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
    """Tokens that are planned together at most."""
    batch_seconds: float = 1.0
    """How long a batch may run by the speed so far, short calls that pass by not counted."""
    turn_tokens: int = 1024
    """Of a client's turn in the line, and of the smallest batch: equal beginnings are shared within one."""
    step_seconds: float = 0.5
    """How long a batch keeps the engine at a time: then short calls may pass."""
    least_step_seconds: float = 0.002
    """Steps are as short as two short calls while these come, but no shorter: each costs some Python."""
    short_call_tokens: int = 512
    """A call of no more tokens is short, and goes ahead of bulk ones."""
    bulk_share: float = 0.25
    """Of the engine's time while short calls keep coming: bulk calls slow down and never stop."""
    cache_bytes: int = 0
    """Memory for the rows of earlier sequences; 0 keeps none."""

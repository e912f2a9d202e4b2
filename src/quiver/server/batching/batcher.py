"""Batcher: runs one call after another. A stand-in with the names of the real one."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from quiver.engine.plan import Usage
from quiver.results import Floats
from quiver.server.batching.call import Call
from quiver.server.errors import DeadlineError, QueueFullError
from quiver.text.tokenizer import TokenIds


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueLimits:
    """How much may wait."""

    max_waiting_requests: int = 512


@dataclass(frozen=True, slots=True)
class Ran:
    """What became of a call's sequences."""

    rows: Floats
    usage: Usage
    cached: int = 0


class Batcher:
    """Runs sequences on an engine, one call at a time."""

    def __init__(
        self,
        forward: Callable[[Sequence[TokenIds]], tuple[Floats, Usage]],
        limits: QueueLimits,
        name: str = "embedder",
    ) -> None:
        self._forward, self._limits, self.name = forward, limits, name
        self._engine = asyncio.Lock()
        self._waiting = 0
        self._abandoned: set[asyncio.Task[tuple[Floats, Usage]]] = set()

    def start(self) -> None:
        """Begin to serve."""

    async def drain(self, timeout: float) -> None:
        """Wait until nothing runs."""
        async with asyncio.timeout(timeout), self._engine:
            pass

    async def run(self, sequences: Sequence[TokenIds], call: Call) -> Ran:
        """The last rows of sequences.

        Raises QueueFullError or DeadlineError.
        """
        if self._waiting >= self._limits.max_waiting_requests:
            raise QueueFullError(retry_after=1.0)
        self._waiting += 1
        begun = asyncio.Event()
        task = asyncio.create_task(self._in_turn(sequences, begun))
        try:
            left = None if call.deadline is None else call.deadline - time.monotonic()
            async with asyncio.timeout(left):
                return Ran(*await asyncio.shield(task))
        except TimeoutError:
            raise DeadlineError("the answer took longer than the server's deadline") from None
        finally:
            self._waiting -= 1
            if not begun.is_set():
                task.cancel()
            elif not task.done():
                self._abandoned.add(task)
                task.add_done_callback(self._abandoned.discard)

    async def _in_turn(self, sequences: Sequence[TokenIds], begun: asyncio.Event) -> tuple[Floats, Usage]:
        async with self._engine:
            begun.set()
            return await asyncio.to_thread(self._forward, sequences)

"""Batcher: a thread that runs one engine, and the event loop's way to it.

An idle engine runs a call at once; while it runs, the next ones gather. There is no window to wait for.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from quiver.engine.plan import Usage
from quiver.results import Floats
from quiver.server.batching.call import Call, DeadlineError, DrainingError, Ran
from quiver.server.batching.job import Job, PendingCall
from quiver.server.batching.limits import QueueLimits
from quiver.server.batching.waiting import Waiting
from quiver.text.tokenizer import TokenIds

Forward = Callable[[Sequence[TokenIds]], tuple[Floats, Usage]]
"""Sequences to last rows [N, E] and what they cost."""


@dataclass(frozen=True, slots=True)
class BatcherCounts:
    """What a batcher did since it started."""

    calls: int = 0
    refused: int = 0
    """Calls for which there was no room."""
    tokens_in: int = 0
    tokens_computed: int = 0
    sequences_cached: int = 0
    batches: int = 0
    sequences: int = 0
    """Distinct ones that ran."""
    seconds: float = 0.0
    """The engine was busy."""


@dataclass(eq=False, slots=True)
class _Answer:
    """Where the rows of a call are awaited."""

    loop: asyncio.AbstractEventLoop
    future: "asyncio.Future[Ran]"

    def give(self, outcome: Ran | BaseException) -> None:
        """From any thread; a loop that is gone awaits nothing."""
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(_settle, self.future, outcome)


class Batcher:
    """Runs the sequences of many calls together on one engine.

    Args:
        forward: runs sequences, in a thread of the batcher's own.
        limits: how much may wait.
        name: of the model, for the thread.
    """

    def __init__(self, forward: Forward, limits: QueueLimits | None = None, name: str = "model") -> None:
        self.name = name
        self._forward = forward
        self._waiting = Waiting(limits or QueueLimits())
        self._answers: dict[PendingCall, _Answer] = {}
        self._changed = threading.Condition()
        self._is_draining = False
        self._is_stopped = False
        self._thread: threading.Thread | None = None
        self._counts = BatcherCounts()

    def start(self) -> None:
        """Begin to run what waits."""
        self._thread = threading.Thread(target=self._serve, name=f"batcher of {self.name}", daemon=True)
        self._thread.start()

    async def run(self, sequences: Sequence[TokenIds], call: Call) -> Ran:
        """The last rows of sequences, [N, E].

        Raises QueueFullError if there is no room, DeadlineError if the call's time is over, DrainingError if
        the batcher was told to stop. A task that is cancelled takes back what has not run.
        """
        loop = asyncio.get_running_loop()
        answer = _Answer(loop, loop.create_future())
        pending = self._enter(sequences, call, answer)
        if pending.is_complete:
            return pending.ran()
        left = None if call.deadline is None else call.deadline - time.monotonic()
        try:
            async with asyncio.timeout(left):
                return await answer.future
        except TimeoutError:
            raise _late() from None
        finally:
            self._leave(pending)

    async def drain(self, seconds: float) -> bool:
        """Take no more calls, answer those that wait within ``seconds``, and stop; tells if all were."""
        with self._changed:
            self._is_draining = True
        until = time.monotonic() + seconds
        while self.waiting_requests and time.monotonic() < until:
            await asyncio.sleep(0.01)
        with self._changed:
            self._is_stopped = True
            left = self._waiting.withdraw_all()
            for pending in left:
                self._give(pending, DrainingError("the server stopped before this request's turn came"))
            self._changed.notify()
        if self._thread is not None and not left:
            await asyncio.to_thread(self._thread.join)
        return not left

    @property
    def waiting_tokens(self) -> int:
        """Tokens that no batch has taken."""
        return self._waiting.tokens

    @property
    def waiting_requests(self) -> int:
        """Calls without an answer."""
        return self._waiting.requests

    @property
    def tokens_per_second(self) -> float:
        """The engine's speed of late."""
        return self._waiting.pace.tokens_per_second

    @property
    def counts(self) -> BatcherCounts:
        """What was done so far."""
        return self._counts

    def _enter(self, sequences: Sequence[TokenIds], call: Call, answer: _Answer) -> PendingCall:
        now = time.monotonic()
        if call.deadline is not None and call.deadline <= now:
            raise _late()
        with self._changed:
            if self._is_draining:
                raise DrainingError("the server is stopping and takes no more requests")
            try:
                pending = self._waiting.add(sequences, call, now)
            except Exception:
                self._count(refused=1)
                raise
            self._count(calls=1, tokens_in=pending.tokens_in, sequences_cached=pending.cached)
            if not pending.is_complete:
                self._answers[pending] = answer
                self._changed.notify()
        return pending

    def _leave(self, pending: PendingCall) -> None:
        with self._changed:
            self._answers.pop(pending, None)
            self._waiting.withdraw(pending)

    def _serve(self) -> None:
        while jobs := self._next_batch():
            self._run(jobs)

    def _run(self, jobs: list[Job]) -> None:
        """Run jobs; a batch that breaks runs again in halves, so that only what breaks it fails."""
        wanted = [job for job in jobs if job.waiters]
        begun = time.monotonic()
        try:
            rows, usage = self._forward([job.ids for job in wanted])
        except Exception as error:
            if len(wanted) > 1:
                middle = len(wanted) // 2
                self._run(wanted[:middle])
                self._run(wanted[middle:])
            else:
                self._break(wanted, error)
        else:
            self._hand_out(wanted, rows, usage, time.monotonic() - begun)
        with self._changed:
            self._waiting.forget(jobs)

    def _break(self, jobs: list[Job], error: Exception) -> None:
        with self._changed:
            for pending in self._waiting.fail(jobs):
                self._give(pending, error)

    def _next_batch(self) -> list[Job]:
        """Wait for jobs; none when the batcher has stopped."""
        with self._changed:
            while not self._is_stopped:
                now = time.monotonic()
                for pending in self._waiting.expired(now):
                    self._give(pending, _late())
                jobs = self._waiting.next_batch(now)
                if jobs:
                    return jobs
                self._changed.wait()
            return []

    def _hand_out(self, jobs: list[Job], rows: Floats, usage: Usage, seconds: float) -> None:
        with self._changed:
            self._waiting.pace.learn(usage.tokens_computed, seconds)
            self._count(
                tokens_computed=usage.tokens_computed, batches=1, sequences=len(jobs), seconds=seconds
            )
            for pending in self._waiting.finish(jobs, rows, usage):
                self._give(pending, pending.ran())

    def _give(self, pending: PendingCall, outcome: Ran | BaseException) -> None:
        answer = self._answers.pop(pending, None)
        if answer is not None:
            answer.give(outcome)

    def _count(self, **more: float) -> None:
        self._counts = replace(
            self._counts, **{name: getattr(self._counts, name) + value for name, value in more.items()}
        )


def _settle(future: "asyncio.Future[Ran]", outcome: Ran | BaseException) -> None:
    if future.done():
        return
    if isinstance(outcome, BaseException):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)


def _late() -> DeadlineError:
    return DeadlineError("the request's time was over before its turn came")

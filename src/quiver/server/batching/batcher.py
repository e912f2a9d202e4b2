"""Batcher: a thread that runs one engine, and the event loop's way to it.

An idle engine runs a call at once; while it runs, the next ones gather. There is no window to wait for.
Between two steps of a bulk batch, short calls that have come pass it.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from quiver.engine.execute import Ended
from quiver.engine.plan import Usage
from quiver.server.batching.call import Call, DeadlineError, DrainingError, Ran
from quiver.server.batching.job import BatchToRun, Job, PendingCall
from quiver.server.batching.limits import QueueLimits
from quiver.server.batching.waiting import Waiting
from quiver.text.tokenizer import TokenIds


class Steps(Protocol):
    """Work that runs step by step, as ``Embedder.steps`` gives it."""

    @property
    def usage(self) -> Usage:
        """What all steps together cost."""

    def __iter__(self) -> Iterator[Ended]: ...


PlanSteps = Callable[[Sequence[TokenIds], int], Steps]
"""Sequences to steps of about so many tokens that give their last rows."""


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
        plan_steps: how to run sequences, in a thread of the batcher's own.
        limits: how much may wait.
        name: of the model, for the thread.
    """

    def __init__(self, plan_steps: PlanSteps, limits: QueueLimits | None = None, name: str = "model") -> None:
        self.name = name
        self._plan_steps = plan_steps
        self._limits = limits or QueueLimits()
        self._waiting = Waiting(self._limits)
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
        while batch := self._next_batch():
            self._run(batch)

    def _next_batch(self) -> BatchToRun | None:
        """Wait for something to run; None when the batcher has stopped."""
        with self._changed:
            while not self._is_stopped:
                self._drop_late()
                batch = self._waiting.next_batch(time.monotonic())
                if batch is not None:
                    return batch
                self._changed.wait()
            return None

    def _run(self, batch: BatchToRun) -> None:
        """Run a batch; one that breaks runs again in halves, so that only what breaks it fails."""
        with self._changed:
            wanted = [job for job in batch.jobs if job.waiters]
            self._waiting.forget([job for job in batch.jobs if not job.waiters])
        left = dict.fromkeys(wanted)
        try:
            self._run_steps(wanted, left, batch)
        except Exception as error:
            broken = list(left)
            if len(broken) > 1:
                middle = len(broken) // 2
                self._run(replace(batch, jobs=broken[:middle]))
                self._run(replace(batch, jobs=broken[middle:]))
            else:
                self._break(broken, error)

    def _run_steps(self, wanted: list[Job], left: dict[Job, None], batch: BatchToRun) -> None:
        """Run jobs and take those that end from ``left``."""
        steps = self._plan_steps([job.ids for job in wanted], batch.step_tokens)
        price = steps.usage.tokens_computed / max(1, sum(job.length for job in wanted))
        self._count(batches=1)
        begun = time.monotonic()
        for ended in steps:
            seconds = time.monotonic() - begun
            jobs = [wanted[position] for position in ended.sequences]
            self._hand_out(jobs, ended, price, seconds)
            for job in jobs:
                del left[job]
            if self._is_stopped:
                return
            if batch.is_short and len(wanted) == 1:
                self._waiting.pace.learn_short_call(seconds)
            elif left and not batch.is_short:
                self._let_short_calls_pass(seconds)
            begun = time.monotonic()

    def _let_short_calls_pass(self, seconds: float) -> None:
        """Run short calls that wait, for a time that leaves bulk calls their share after a step so long."""
        share = self._limits.bulk_share
        until = time.monotonic() + seconds * (1 - share) / share
        while time.monotonic() < until:
            with self._changed:
                self._drop_late()
                batch = self._waiting.next_short_batch(time.monotonic())
            if batch is None:
                return
            self._run(batch)

    def _hand_out(self, jobs: list[Job], ended: Ended, price: float, seconds: float) -> None:
        with self._changed:
            self._waiting.pace.learn(ended.tokens, seconds)
            self._count(tokens_computed=ended.tokens, sequences=len(jobs), seconds=seconds)
            for pending in self._waiting.finish(jobs, ended.rows, price):
                self._give(pending, pending.ran())

    def _break(self, jobs: list[Job], error: Exception) -> None:
        with self._changed:
            for pending in self._waiting.fail(jobs):
                self._give(pending, error)

    def _drop_late(self) -> None:
        for pending in self._waiting.expired(time.monotonic()):
            self._give(pending, _late())

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

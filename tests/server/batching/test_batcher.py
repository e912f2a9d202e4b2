import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Sequence

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quiver import Embedder
from quiver.server.batching.batcher import Batcher, PlanSteps, Steps
from quiver.server.batching.call import Call, DeadlineError, DrainingError, QueueFullError, Ran
from quiver.server.batching.limits import QueueLimits
from quiver.server.batching.served import ServedEmbedder
from quiver.text.tokenizer import TokenIds
from tests.server.batching.sequences import PlainSteps, of_length, row, sequence


class Gate:
    """An engine that runs a step only when it is let."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.entered = threading.Semaphore(0)
        self.opened = threading.Semaphore(0)

    def __call__(self, sequences: Sequence[TokenIds], step_tokens: int) -> Steps:
        return PlainSteps(sequences, step_tokens, self.hold)

    def hold(self, step: Sequence[TokenIds]) -> None:
        self.batches.append([int(ids[0]) for ids in step])
        self.entered.release()
        assert self.opened.acquire(timeout=10)

    async def wait_for_batch(self) -> None:
        assert await asyncio.to_thread(self.entered.acquire, timeout=10)

    def open(self, batches: int = 1) -> None:
        self.opened.release(batches)


def serve(engine: PlanSteps, limits: QueueLimits, scenario: Callable[[Batcher], Awaitable[None]]) -> None:
    async def main() -> None:
        batcher = Batcher(engine, limits)
        batcher.start()
        try:
            await scenario(batcher)
        finally:
            await batcher.drain(0)

    asyncio.run(main())


def test_calls_that_come_while_the_engine_runs_run_together() -> None:
    gate = Gate()

    async def scenario(batcher: Batcher) -> None:
        first = asyncio.create_task(batcher.run([sequence(1)], Call()))
        await gate.wait_for_batch()
        others = [asyncio.create_task(batcher.run([sequence(n)], Call())) for n in (2, 3, 2)]
        await asyncio.sleep(0.05)
        gate.open(2)
        rows = [(await task).rows.tolist() for task in (first, *others)]
        assert rows == [[row(sequence(n)).tolist()] for n in (1, 2, 3, 2)]
        assert gate.batches == [[1], [2, 3]]
        assert (batcher.counts.calls, batcher.counts.batches, batcher.counts.sequences) == (4, 2, 3)

    serve(gate, QueueLimits(), scenario)


def test_a_client_that_goes_away_stops_costing() -> None:
    gate = Gate()

    async def scenario(batcher: Batcher) -> None:
        first = asyncio.create_task(batcher.run([sequence(1)], Call()))
        await gate.wait_for_batch()
        second = asyncio.create_task(batcher.run([sequence(2)], Call()))
        third = asyncio.create_task(batcher.run([sequence(3)], Call()))
        await asyncio.sleep(0.05)
        second.cancel()
        await asyncio.sleep(0.05)
        gate.open(2)
        await asyncio.gather(first, third)
        assert gate.batches == [[1], [3]]
        assert batcher.waiting_tokens == batcher.waiting_requests == 0

    serve(gate, QueueLimits(), scenario)


def test_a_deadline_is_kept_while_waiting_and_costs_nothing() -> None:
    gate = Gate()

    async def scenario(batcher: Batcher) -> None:
        first = asyncio.create_task(batcher.run([sequence(1)], Call()))
        await gate.wait_for_batch()
        with pytest.raises(DeadlineError):
            await batcher.run([sequence(2)], Call(deadline=time.monotonic() + 0.05))
        with pytest.raises(DeadlineError):
            await batcher.run([sequence(3)], Call(deadline=time.monotonic()))
        gate.open()
        await first
        assert gate.batches == [[1]]

    serve(gate, QueueLimits(), scenario)


def test_a_full_queue_refuses_and_then_takes_again() -> None:
    gate = Gate()

    async def scenario(batcher: Batcher) -> None:
        first = asyncio.create_task(batcher.run([sequence(1)], Call()))
        await gate.wait_for_batch()
        with pytest.raises(QueueFullError):
            await batcher.run([sequence(2)], Call())
        assert batcher.counts.refused == 1
        gate.open(2)
        await first
        await batcher.run([sequence(2)], Call())

    serve(gate, QueueLimits(max_waiting_requests=1), scenario)


def test_a_sequence_that_breaks_the_engine_fails_alone() -> None:
    gate = Gate()

    def breaks(step: Sequence[TokenIds]) -> None:
        if not gate.batches:
            gate.hold(step)
        if any(ids[0] == 13 for ids in step):
            raise MemoryError("13")

    def fragile(sequences: Sequence[TokenIds], step_tokens: int) -> Steps:
        return PlainSteps(sequences, step_tokens, breaks)

    async def scenario(batcher: Batcher) -> None:
        first = asyncio.create_task(batcher.run([sequence(1)], Call()))
        await gate.wait_for_batch()
        tasks = [
            asyncio.create_task(batcher.run([sequence(n) for n in numbers], Call()))
            for numbers in ((2, 3), (4, 13, 5), (6,), (5, 7))
        ]
        await asyncio.sleep(0.05)
        gate.open()
        await first
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert [isinstance(outcome, MemoryError) for outcome in outcomes] == [False, True, False, False]
        assert isinstance(outcomes[3], Ran)
        assert outcomes[3].rows.tolist() == [[5, 1], [7, 1]]
        assert batcher.waiting_requests == batcher.waiting_tokens == 0

    serve(fragile, QueueLimits(), scenario)


SMALL_STEPS = QueueLimits(short_call_tokens=5, step_seconds=0.0)
"""Every sequence is a step of its own."""


def test_a_short_call_passes_between_two_steps_of_a_bulk_call() -> None:
    gate = Gate()

    async def scenario(batcher: Batcher) -> None:
        bulk = asyncio.create_task(batcher.run([of_length(10, n) for n in (1, 2, 3)], Call()))
        await gate.wait_for_batch()
        short = asyncio.create_task(batcher.run([sequence(9)], Call()))
        await asyncio.sleep(0.05)
        gate.open(2)
        assert (await short).rows.tolist() == [row(sequence(9)).tolist()]
        assert not bulk.done()
        gate.open(2)
        assert len((await bulk).rows) == 3
        assert gate.batches == [[1], [9], [2], [3]]

    serve(gate, SMALL_STEPS, scenario)


def test_a_call_is_answered_when_its_own_steps_have_run() -> None:
    gate = Gate()

    async def scenario(batcher: Batcher) -> None:
        first = asyncio.create_task(batcher.run([of_length(10, 1)], Call()))
        await gate.wait_for_batch()
        second, third = (asyncio.create_task(batcher.run([of_length(10, n)], Call())) for n in (2, 3))
        await asyncio.sleep(0.05)
        gate.open(2)
        await asyncio.gather(first, second)
        assert not third.done()
        assert batcher.counts.batches == 2
        gate.open()
        await third

    serve(gate, SMALL_STEPS, scenario)


def test_what_ran_before_a_batch_broke_stays_answered() -> None:
    gate = Gate()

    def breaks(step: Sequence[TokenIds]) -> None:
        gate.hold(step)
        if step[0][0] == 3:
            raise MemoryError("3")

    def fragile(sequences: Sequence[TokenIds], step_tokens: int) -> Steps:
        return PlainSteps(sequences, step_tokens, breaks)

    async def scenario(batcher: Batcher) -> None:
        tasks = [asyncio.create_task(batcher.run([of_length(10, n)], Call())) for n in (1, 2, 3, 4)]
        gate.open(10)
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert [isinstance(outcome, MemoryError) for outcome in outcomes] == [False, False, True, False]
        assert [batch for batch in gate.batches if batch != [3]] == [[1], [2], [4]]

    serve(fragile, SMALL_STEPS, scenario)


def test_draining_answers_what_waits_and_takes_no_more() -> None:
    gate = Gate()

    async def scenario(batcher: Batcher) -> None:
        first = asyncio.create_task(batcher.run([sequence(1)], Call()))
        await gate.wait_for_batch()
        second = asyncio.create_task(batcher.run([sequence(2)], Call()))
        await asyncio.sleep(0.05)
        drained = asyncio.create_task(batcher.drain(10))
        await asyncio.sleep(0.05)
        with pytest.raises(DrainingError):
            await batcher.run([sequence(3)], Call())
        gate.open(2)
        assert await drained
        assert [len((await task).rows) for task in (first, second)] == [1, 1]

    serve(gate, QueueLimits(), scenario)


def test_draining_has_an_end() -> None:
    gate = Gate()

    async def scenario(batcher: Batcher) -> None:
        stuck = asyncio.create_task(batcher.run([sequence(1)], Call()))
        await gate.wait_for_batch()
        assert not await batcher.drain(0.05)
        with pytest.raises(DrainingError):
            await stuck
        gate.open()

    serve(gate, QueueLimits(), scenario)


words = st.lists(st.sampled_from(["arrow", "bow", "target", "string", "a longer text " * 20]), max_size=4)


@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    calls=st.lists(words, min_size=1, max_size=8),
    cache_bytes=st.sampled_from([0, 5000]),
    step_seconds=st.sampled_from([0.0, 1.0]),
)
def test_vectors_are_the_same_bytes_whatever_runs_beside_them(
    embedder: Embedder, calls: list[list[str]], cache_bytes: int, step_seconds: float
) -> None:
    limits = QueueLimits(batch_tokens=64, turn_tokens=16, step_seconds=step_seconds, cache_bytes=cache_bytes)

    async def scenario(batcher: Batcher) -> None:
        served = ServedEmbedder(embedder, batcher, "model")
        prepared = [embedder.prepare_query(texts) for texts in calls]
        found = await asyncio.gather(*(served.embed(each, Call()) for each in prepared))
        for texts, vectors in zip(calls, found, strict=True):
            alone = [np.asarray(embedder.encode_query(text)) for text in texts]
            assert vectors.tolist() == [vector.tolist() for vector in alone]

    serve(embedder.steps, limits, scenario)

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quiver.engine.plan import Usage
from quiver.server.batching.call import Call, QueueFullError
from quiver.server.batching.job import BatchToRun, PendingCall
from quiver.server.batching.limits import QueueLimits
from quiver.server.batching.waiting import SHORT_CALLS_LINGER, Waiting
from quiver.text.tokenizer import TokenIds
from tests.server.batching.sequences import of_length, row, rows, sequence

LIMITS = QueueLimits(batch_tokens=400, turn_tokens=100, short_call_tokens=40)
BULK = [of_length(50, first) for first in range(100)]


def firsts(batch: BatchToRun | None) -> list[int]:
    return [] if batch is None else [int(job.ids[0]) for job in batch.jobs]


def run(waiting: Waiting, batch: BatchToRun | None) -> list[PendingCall]:
    assert batch is not None
    return waiting.finish(batch.jobs, rows([job.ids for job in batch.jobs]), price=1.0)


def test_bulk_alone_gets_whole_batches() -> None:
    waiting = Waiting(LIMITS)
    waiting.add(BULK, Call(), now=0)
    assert firsts(waiting.next_batch(now=0)) == [0, 1, 2, 3, 4, 5, 6, 7]


def test_short_calls_go_ahead_and_bulk_goes_on() -> None:
    waiting = Waiting(LIMITS)
    waiting.add(BULK, Call(), now=0)
    for number in range(1000, 1020):
        waiting.add([of_length(25, number)], Call(), now=0)
    batches = [firsts(waiting.next_batch(now=0)) for _ in range(4)]
    assert batches[0] == list(range(1000, 1016))
    assert batches[1] == list(range(8))
    assert batches[2] == list(range(1016, 1020))
    assert batches[3] == list(range(8, 16))


def test_short_calls_may_pass_a_batch_that_runs() -> None:
    waiting = Waiting(LIMITS)
    waiting.add(BULK, Call(), now=0)
    assert waiting.next_short_batch(now=0) is None
    waiting.add([of_length(10, 1000)], Call(), now=0)
    passing = waiting.next_short_batch(now=0)
    assert passing is not None
    assert firsts(passing) == [1000]
    assert passing.is_short


def test_steps_are_short_while_short_calls_are_expected() -> None:
    """They last a quarter longer than these, by what they took and by the engine's speed."""
    waiting = Waiting(LIMITS)
    waiting.pace.learn(tokens=30_000, seconds=10)
    for _ in range(50):
        waiting.pace.learn_short_call(seconds=0.01)
    waiting.add([of_length(10, 1000)], Call(), now=0)
    run(waiting, waiting.next_batch(now=0))
    for now, tokens in ((1.0, 38), (SHORT_CALLS_LINGER, 1500)):
        waiting.add(BULK[:1], Call(), now=now)
        batch = waiting.next_batch(now=now)
        assert batch is not None
        assert batch.step_tokens == pytest.approx(tokens, rel=0.01)
        run(waiting, batch)


def test_a_batch_follows_the_engines_speed() -> None:
    waiting = Waiting(LIMITS)
    waiting.pace.learn(tokens=300, seconds=1)
    waiting.add(BULK, Call(), now=0)
    assert len(firsts(waiting.next_batch(now=0))) == 6, "300 tokens are a second"


def test_a_sequence_larger_than_a_batch_runs_alone() -> None:
    waiting = Waiting(LIMITS)
    waiting.add([of_length(1000), of_length(50, 1)], Call(), now=0)
    assert firsts(waiting.next_batch(now=0)) == [0]
    assert firsts(waiting.next_batch(now=0)) == [1]


def test_clients_take_turns() -> None:
    waiting = Waiting(replace(LIMITS, batch_tokens=200))
    waiting.add(BULK[:40], Call(key="greedy"), now=0)
    waiting.add(BULK[40:44], Call(key="modest"), now=0)
    assert firsts(waiting.next_batch(now=0)) == [0, 1, 40, 41]
    assert firsts(waiting.next_batch(now=0)) == [2, 3, 42, 43]


def test_equal_sequences_run_once_for_all_who_ask() -> None:
    waiting = Waiting(LIMITS)
    first = waiting.add([sequence(1, 2), sequence(3), sequence(1, 2)], Call(key="a"), now=0)
    second = waiting.add([sequence(3)], Call(key="b"), now=0)
    batch = waiting.next_batch(now=0)
    third = waiting.add([sequence(3)], Call(key="c"), now=0)
    assert firsts(batch) == [1, 3]
    assert set(run(waiting, batch)) == {first, second, third}
    assert first.ran().rows.tolist() == [[3, 2], [3, 1], [3, 2]]
    assert third.ran().rows.tolist() == [[3, 1]]
    assert first.ran().usage.tokens_saved > 0
    assert waiting.requests == waiting.tokens == 0


def test_what_is_withdrawn_does_not_run_unless_another_waits_for_it() -> None:
    waiting = Waiting(LIMITS)
    gone = waiting.add([sequence(1), sequence(2)], Call(), now=0)
    waiting.add([sequence(2)], Call(), now=0)
    waiting.withdraw(gone)
    assert waiting.tokens == 1
    assert firsts(waiting.next_batch(now=0)) == [2]


def test_a_deadline_that_has_passed_withdraws_the_call() -> None:
    waiting = Waiting(LIMITS)
    late = waiting.add([sequence(1)], Call(deadline=5.0), now=0)
    waiting.add([sequence(2)], Call(deadline=7.0), now=0)
    assert waiting.expired(now=6.0) == [late]
    assert firsts(waiting.next_batch(now=6.0)) == [2]


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"max_waiting_tokens": 10}, "8 tokens wait"),
        ({"max_waiting_requests": 1}, "1 requests wait"),
        ({"max_waiting_per_key": 1}, "1 requests of this client wait"),
    ],
)
def test_a_full_queue_says_when_to_come_back(limits: dict[str, int], reason: str) -> None:
    waiting = Waiting(replace(LIMITS, **limits))
    waiting.add([of_length(8)], Call(key="a"), now=0)
    with pytest.raises(QueueFullError, match=reason) as refused:
        waiting.add([of_length(8, 1)], Call(key="a"), now=0)
    assert 1 <= refused.value.retry_after <= 60


def test_one_call_larger_than_the_queue_is_taken_when_nothing_waits() -> None:
    waiting = Waiting(replace(LIMITS, max_waiting_tokens=10))
    waiting.add([of_length(50)], Call(), now=0)
    assert len(firsts(waiting.next_batch(now=0))) == 1


def test_kept_rows_cost_nothing() -> None:
    waiting = Waiting(replace(LIMITS, cache_bytes=10_000))
    waiting.add([sequence(1), sequence(2)], Call(), now=0)
    run(waiting, waiting.next_batch(now=0))
    again = waiting.add([sequence(2)], Call(), now=0)
    assert again.is_complete
    assert again.ran().rows.tolist() == [row(sequence(2)).tolist()]
    assert again.ran().usage == Usage(tokens_in=1, tokens_computed=0)
    assert again.ran().cached == 1


calls = st.lists(
    st.tuples(
        st.lists(st.integers(0, 30), min_size=1, max_size=8),
        st.integers(1, 60),
        st.sampled_from("abc"),
        st.sampled_from(["keep", "keep", "withdraw"]),
        st.booleans(),
    ),
    max_size=25,
)


@given(calls=calls)
def test_nothing_is_lost_or_answered_twice(
    calls: list[tuple[list[int], int, str, str, bool]],
) -> None:
    """Calls of all lengths come, go, and run between each other."""
    waiting = Waiting(LIMITS)
    kept: dict[PendingCall, list[TokenIds]] = {}
    answered: list[PendingCall] = []
    for numbers, length, key, fate, runs in calls:
        sequences = [of_length(length, number) for number in numbers]
        pending = waiting.add(sequences, Call(key=key), now=0)
        if fate == "withdraw":
            waiting.withdraw(pending)
        else:
            kept[pending] = sequences
        if runs and (batch := waiting.next_batch(now=0)):
            answered += run(waiting, batch)
    while batch := waiting.next_batch(now=0):
        assert all(job.waiters for job in batch.jobs)
        answered += run(waiting, batch)
    assert len(answered) == len(set(answered)) == len(kept)
    assert waiting.requests == waiting.tokens == 0
    for pending, sequences in kept.items():
        assert np.array_equal(pending.ran().rows, np.stack([row(ids) for ids in sequences]))


def test_no_bulk_call_starves_beside_endless_short_ones() -> None:
    waiting = Waiting(LIMITS)
    bulk = waiting.add(BULK[:10], Call(), now=0)
    for turn in range(100):
        for number in range(10):
            waiting.add([of_length(25, 1000 + 10 * turn + number)], Call(key="chatty"), now=0)
        if bulk in run(waiting, waiting.next_batch(now=0)):
            return
    raise AssertionError("the bulk call never ended")

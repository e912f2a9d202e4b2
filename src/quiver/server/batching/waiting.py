"""Waiting: the calls that have not been answered, and which of their sequences run next.

Short calls go ahead of bulk ones, also between two steps of these. Within each kind clients take turns.
Equal sequences are one job, even while it runs. Pure bookkeeping: no threads, no clock, no engine.
"""

from collections.abc import Iterable, Sequence

from quiver.results import Floats
from quiver.server.batching.call import Call, QueueFullError
from quiver.server.batching.job import BatchToRun, Job, PendingCall
from quiver.server.batching.lane import Lane
from quiver.server.batching.limits import QueueLimits
from quiver.server.batching.pace import Pace
from quiver.server.batching.row_cache import RowCache
from quiver.text.tokenizer import TokenIds

SHORT_CALLS_LINGER = 10.0
"""Seconds after a short call in which another is expected, and steps are kept short."""
SHORT_CALLS_A_STEP = 1.25
"""While short calls are expected, a step lasts as long as so many of them: one that comes in the middle of it
waits less than its own answer takes."""


class Waiting:
    """All calls of one model."""

    def __init__(self, limits: QueueLimits) -> None:
        self._limits = limits
        self._calls: dict[PendingCall, None] = {}
        self._jobs: dict[bytes, Job] = {}
        self._short, self._bulk = Lane(limits.turn_tokens), Lane(limits.turn_tokens)
        self._is_bulk_next = False
        self._last_short = -SHORT_CALLS_LINGER
        self._cache = RowCache(limits.cache_bytes)
        self.pace = Pace()
        self.tokens = 0
        """Of jobs that no batch has taken."""

    @property
    def requests(self) -> int:
        """Calls without an answer, those that run included."""
        return len(self._calls)

    def add(self, sequences: Sequence[TokenIds], call: Call, now: float) -> PendingCall:
        """Let a call wait; raises QueueFullError if there is no room."""
        lengths = sum(map(len, sequences))
        self._check_room(lengths, call)
        is_short = lengths <= self._limits.short_call_tokens
        pending = PendingCall(call, {}, [None] * len(sequences), lengths, is_short)
        for place, ids in enumerate(sequences):
            self._add_sequence(pending, place, ids)
        if not pending.is_complete:
            self._calls[pending] = None
            if is_short:
                self._last_short = now
        return pending

    def withdraw(self, pending: PendingCall) -> None:
        """Forget a call; what nobody else waits for never runs."""
        self._calls.pop(pending, None)
        for job in pending.places:
            job.waiters.remove(pending)
            if not job.waiters and not job.taken:
                self.tokens -= job.length
                del self._jobs[job.ids.tobytes()]
        pending.places.clear()

    def expired(self, now: float) -> list[PendingCall]:
        """Withdraw the calls whose deadlines have passed."""
        late = [each for each in self._calls if each.call.deadline is not None and each.call.deadline <= now]
        for pending in late:
            self.withdraw(pending)
        return late

    def next_batch(self, now: float) -> BatchToRun | None:
        """What to run next, in the order of the calls; None if nothing waits.

        Where both kinds wait they take turns: short calls also pass while a bulk batch runs.
        """
        is_bulk_next, self._is_bulk_next = self._is_bulk_next, False
        if is_bulk_next and (bulk := self._next_bulk_batch(now)):
            return bulk
        short = self.next_short_batch(now)
        if short is None:
            return self._next_bulk_batch(now)
        self._is_bulk_next = True
        return short

    def next_short_batch(self, now: float) -> BatchToRun | None:
        """The short calls that wait; None if there are none."""
        jobs = self._take(self._short)
        if not jobs:
            return None
        self._last_short = now
        return BatchToRun(jobs, self._calm_step(), is_short=True)

    def finish(self, jobs: Sequence[Job], rows: Sequence[Floats], price: float) -> list[PendingCall]:
        """Hand out rows of jobs, which are over with that; gives the calls that are now complete.

        ``price`` is tokens computed by tokens given.
        """
        touched: dict[PendingCall, None] = {}
        for job, row in zip(jobs, rows, strict=True):
            self._cache.put(job.ids.tobytes(), row)
            for pending in job.waiters:
                pending.fill(job, row, price * job.length / len(job.waiters))
                touched[pending] = None
        self.forget(jobs)
        return self._let_go(pending for pending in touched if pending.is_complete)

    def fail(self, jobs: Sequence[Job]) -> list[PendingCall]:
        """Forget the calls of a batch that broke."""
        broken = dict.fromkeys(pending for job in jobs for pending in job.waiters)
        for pending in broken:
            self.withdraw(pending)
        self.forget(jobs)
        return list(broken)

    def forget(self, jobs: Sequence[Job]) -> None:
        """Let go of jobs that are over, or that nobody waits for any more."""
        for job in jobs:
            if self._jobs.get(key := job.ids.tobytes()) is job:
                del self._jobs[key]

    def withdraw_all(self) -> list[PendingCall]:
        """Forget every call."""
        calls = list(self._calls)
        for pending in calls:
            self.withdraw(pending)
        return calls

    def _check_room(self, tokens: int, call: Call) -> None:
        limits = self._limits
        own = sum(pending.call.key == call.key for pending in self._calls)
        if own >= limits.max_waiting_per_key:
            reason = f"{own:,} requests of this client wait"
        elif self.requests >= limits.max_waiting_requests:
            reason = f"{self.requests:,} requests wait"
        elif self._calls and self.tokens + tokens > limits.max_waiting_tokens:
            reason = f"{self.tokens:,} tokens wait"
        else:
            return
        seconds = self.tokens / 2 / self.pace.tokens_per_second
        raise QueueFullError(f"{reason} already; retry later", retry_after=min(max(seconds, 1.0), 60.0))

    def _add_sequence(self, pending: PendingCall, place: int, ids: TokenIds) -> None:
        key = ids.tobytes()
        row = self._cache.get(key)
        if row is not None:
            pending.rows[place] = row
            pending.cached += 1
            return
        job = self._jobs.get(key)
        if job is None:
            job = self._jobs[key] = Job(ids)
            self.tokens += job.length
        if job not in pending.places:
            job.waiters.append(pending)
            lane = self._short if pending.is_short else self._bulk
            lane.add(pending.call.key, job)
        pending.places.setdefault(job, []).append(place)

    def _next_bulk_batch(self, now: float) -> BatchToRun | None:
        jobs = self._take(self._bulk)
        if not jobs:
            return None
        expects_short = now - self._last_short < SHORT_CALLS_LINGER
        return BatchToRun(jobs, self._short_step() if expects_short else self._calm_step(), is_short=False)

    def _take(self, lane: Lane) -> list[Job]:
        limits = self._limits
        budget = min(max(self.pace.tokens_in(limits.batch_seconds), limits.turn_tokens), limits.batch_tokens)
        jobs = list(lane.take(budget, at_least_one=True))
        self.tokens -= sum(job.length for job in jobs)
        return jobs

    def _calm_step(self) -> int:
        return max(1, self.pace.tokens_in(self._limits.step_seconds))

    def _short_step(self) -> int:
        """Tokens of a step that a short call may have to wait for."""
        seconds = max(SHORT_CALLS_A_STEP * self.pace.short_call_seconds, self._limits.least_step_seconds)
        return max(1, self.pace.tokens_in(min(seconds, self._limits.step_seconds)))

    def _let_go(self, complete: Iterable[PendingCall]) -> list[PendingCall]:
        calls = list(complete)
        for pending in calls:
            del self._calls[pending]
        return calls

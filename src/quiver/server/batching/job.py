"""Job: one distinct sequence, and the calls that wait for its row."""

from dataclasses import dataclass, field

import numpy as np

from quiver.engine.plan import Usage
from quiver.results import Floats
from quiver.server.batching.call import Call, Ran
from quiver.text.tokenizer import TokenIds


@dataclass(eq=False, slots=True)
class Job:
    """A sequence to run once, whoever asks for it."""

    ids: TokenIds
    waiters: list["PendingCall"] = field(default_factory=list)
    taken: bool = False
    """In a batch, or done."""

    @property
    def length(self) -> int:
        """Tokens."""
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class BatchToRun:
    """Jobs that are planned together."""

    jobs: list[Job]
    step_tokens: int
    """About so many run before others have a chance."""
    is_short: bool
    """Of short calls, which nothing interrupts."""


@dataclass(eq=False, slots=True)
class PendingCall:
    """A call on its way: rows come in as batches end."""

    call: Call
    places: dict[Job, list[int]]
    """Where each job's row goes; equal sequences of a call are one job."""
    rows: list[Floats | None]
    tokens_in: int
    is_short: bool
    computed: float = 0.0
    cached: int = 0

    @property
    def is_complete(self) -> bool:
        """Whether every row is there."""
        return not self.places

    def fill(self, job: Job, row: Floats, computed: float) -> None:
        """Take a job's row and this call's share of its cost in tokens."""
        for place in self.places.pop(job, ()):
            self.rows[place] = row
        self.computed += computed

    def ran(self) -> Ran:
        """The rows in the order of the sequences."""
        rows = [row for row in self.rows if row is not None]
        stacked = np.stack(rows) if rows else np.empty((0, 0), np.float32)
        return Ran(stacked, Usage(self.tokens_in, round(self.computed)), self.cached)

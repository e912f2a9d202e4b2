"""Lane: jobs of one kind of calls, from which clients take turns."""

from collections import deque
from collections.abc import Iterator

from quiver.server.batching.job import Job


class Lane:
    """A line for each client; one job of each in turn, or as many as make up a turn's tokens."""

    def __init__(self, turn_tokens: int) -> None:
        self._turn_tokens = turn_tokens
        self._lines: dict[str, deque[Job]] = {}

    def add(self, key: str, job: Job) -> None:
        """To the end of the client's line."""
        self._lines.setdefault(key, deque()).append(job)

    def take(self, budget: float, *, at_least_one: bool) -> Iterator[Job]:
        """Jobs up to a budget of tokens, or one that is larger; each comes out once.

        A client's turn goes on for ``turn_tokens``, so that sequences of one call, which begin alike, run
        together.
        """
        left, may_exceed = budget, at_least_one
        while self._lines and (left > 0 or may_exceed):
            key, line = next(iter(self._lines.items()))
            turn = self._turn_tokens
            while line and turn > 0:
                job = line[0]
                if job.taken or not job.waiters:
                    line.popleft()
                    continue
                if job.length > left and not may_exceed:
                    return
                line.popleft()
                job.taken = True
                may_exceed = False
                left -= job.length
                turn -= job.length
                yield job
            del self._lines[key]
            if line:
                self._lines[key] = line

    def __bool__(self) -> bool:
        """Whether a job waits; ends of lines that others took or left do not count."""
        return any(not job.taken and job.waiters for line in self._lines.values() for job in line)

"""State: one note that says which versions of rows hold. Writing it is what finishes a change."""

import json
import time
from dataclasses import asdict, dataclass, replace

from quiver.errors import StoreError

NOTE = "state"
READERS_GRACE = 60.0
"""Seconds that a reader may take over one query before rows that ended meanwhile are dropped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Which rows hold, and how many they are."""

    committed: int = 0
    """Rows hold if they were born by this number and end after it."""
    begun: int = 0
    """Greater than ``committed`` while a change is under way, or where a writer was killed."""
    passages: int = 0
    words: int = 0
    """Terms of all passages, repeated ones too; their mean length is what BM25 needs."""
    ended_by: int = 0
    """Rows that ended by this number are out of every reader's sight."""
    watched: int = 0
    """The number that becomes ``ended_by`` when READERS_GRACE has passed since ``watched_since``."""
    watched_since: float = 0.0

    @classmethod
    def parse(cls, note: str | None, name: str) -> "State":
        """Read what ``note()`` wrote; raises StoreError for anything else."""
        try:
            return cls() if note is None else cls(**json.loads(note))
        except (ValueError, TypeError) as error:
            raise StoreError(f"{name} is damaged: its state is {note!r}") from error

    def note(self) -> str:
        """As a note."""
        return json.dumps(asdict(self))

    @property
    def mean_length(self) -> float:
        """Terms of a passage in the mean."""
        return self.words / max(1, self.passages)

    def after(self, passages: int, words: int) -> "State":
        """The state once the change that is under way is finished, which adds so many."""
        return replace(
            self,
            committed=self.begun,
            passages=self.passages + passages,
            words=self.words + words,
        )

    def watching(self) -> "State":
        """The state with what time has passed for readers of old rows."""
        now = time.time()
        if 0 <= now - self.watched_since < READERS_GRACE:
            return self
        return replace(self, ended_by=self.watched, watched=self.committed, watched_since=now)

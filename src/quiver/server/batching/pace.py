"""Pace: how fast the engine runs, by what it ran."""

FIRST_GUESS = 2000.0
"""Tokens a second, until something was measured."""
MEMORY = 0.8
"""Share of what was known before that a full second of running leaves."""


class Pace:
    """Tokens a second, the latest seconds counting most."""

    def __init__(self) -> None:
        self._tokens = 0.0
        self._seconds = 0.0

    @property
    def tokens_per_second(self) -> float:
        """Of what the engine computed."""
        return self._tokens / self._seconds if self._seconds > 0 else FIRST_GUESS

    def learn(self, tokens: int, seconds: float) -> None:
        """Take a batch into account."""
        kept = MEMORY ** min(seconds, 10.0)
        self._tokens = self._tokens * kept + tokens
        self._seconds = self._seconds * kept + seconds

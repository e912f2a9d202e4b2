"""Pace: how fast the engine runs, by what it ran."""

FIRST_GUESS = 2000.0
"""Tokens a second, until something was measured."""
FIRST_SHORT_CALL = 0.025
"""Seconds of a short call, until one was measured."""
MEMORY = 0.8
"""Share of what was known before that a full second of running, or one short call, leaves."""


class Pace:
    """Tokens a second and seconds of a short call, the latest counting most."""

    def __init__(self) -> None:
        self._tokens = 0.0
        self._seconds = 0.0
        self.short_call_seconds = FIRST_SHORT_CALL
        """What a short call takes that runs alone."""

    @property
    def tokens_per_second(self) -> float:
        """Of what the engine computed."""
        return self._tokens / self._seconds if self._seconds > 0 else FIRST_GUESS

    def tokens_in(self, seconds: float) -> int:
        """Tokens that the engine computes in that time."""
        return round(seconds * self.tokens_per_second)

    def learn(self, tokens: int, seconds: float) -> None:
        """Take a step into account."""
        kept = MEMORY ** min(seconds, 10.0)
        self._tokens = self._tokens * kept + tokens
        self._seconds = self._seconds * kept + seconds

    def learn_short_call(self, seconds: float) -> None:
        """Take a short call that ran alone into account."""
        self.short_call_seconds = MEMORY * self.short_call_seconds + (1 - MEMORY) * seconds

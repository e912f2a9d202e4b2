"""Truncation: the length limit, applied in one place, and a record of every cut."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from quiver.errors import InputError, TooLongError
from quiver.text.tokenizer import TokenIds

TooLongPolicy = Literal["error", "truncate"]


@dataclass(frozen=True, slots=True)
class Cut:
    """A text that lost its end to the length limit; counts are tokens with prompt and end token."""

    index: int
    tokens: int
    kept: int

    @property
    def removed(self) -> int:
        """Tokens of the text that the model did not see."""
        return self.tokens - self.kept


@dataclass(frozen=True, slots=True)
class LengthLimit:
    """At most ``max_length`` tokens a sequence, all templates and the end token included."""

    max_length: int
    policy: TooLongPolicy

    def __post_init__(self) -> None:
        if self.policy not in get_args(TooLongPolicy):
            raise InputError(f'on_too_long must be "error" or "truncate", not {self.policy!r}')
        if self.max_length < 1:
            raise InputError(f"max_length must be at least 1 token, not {self.max_length}")

    def apply(
        self,
        bodies: Sequence[TokenIds],
        *,
        reserved: int,
        protected: Callable[[int], int],
        first: int = 0,
    ) -> tuple[list[TokenIds], tuple[Cut, ...]]:
        """Shorten the ends of bodies to fit beside ``reserved`` tokens.

        ``protected(position)`` counts the leading tokens of a body that no cut may reach (prompt, query).
        Indices in cuts and messages begin at ``first``. Raises TooLongError if a body does not fit and the
        policy is "error", or if nothing of the text would be left.
        """
        room = self.max_length - reserved
        too_long = [position for position, body in enumerate(bodies) if len(body) > room]
        cuts = tuple(Cut(p + first, len(bodies[p]) + reserved, self.max_length) for p in too_long)
        if cuts and self.policy == "error":
            raise TooLongError(_explain(cuts, self.max_length))
        shortened = list(bodies)
        for position in too_long:
            if room <= protected(position):
                raise TooLongError(
                    f"max_length={self.max_length:,} leaves no room for text {position + first} beside "
                    "its prompt (or query) and the model's template, which are never cut; raise it"
                )
            shortened[position] = bodies[position][:room]
        return shortened, cuts


def _explain(cuts: Sequence[Cut], max_length: int) -> str:
    first = ", ".join(f"text {cut.index} ({cut.tokens:,} tokens)" for cut in cuts[:3])
    more = f" and {len(cuts) - 3:,} more" if len(cuts) > 3 else ""
    return (
        f"longer than max_length={max_length:,} tokens: {first}{more}; split the text, raise max_length, "
        'or allow cutting with on_too_long="truncate" (--truncate in the shell)'
    )

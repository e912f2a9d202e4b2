"""Truncation: the length limit, applied in one place, and a record of every cut."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from quiver.errors import InputError, TooLongError
from quiver.text.tokenizer import TokenIds

TooLongPolicy = Literal["error", "truncate", "truncate_start"]
"""What happens to a longer text: an error, its end is cut, or its start is."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A text that lost an end to the length limit; counts are tokens with prompt and end token."""

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
    max_text_tokens: int | None = None
    """Most tokens of a text beside what is protected in it; None leaves that to ``max_length``."""

    def __post_init__(self) -> None:
        if self.policy not in get_args(TooLongPolicy):
            choices = ", ".join(f'"{policy}"' for policy in get_args(TooLongPolicy))
            raise InputError(f"on_too_long must be one of {choices}, not {self.policy!r}")
        if self.max_length < 1:
            raise InputError(f"max_length must be at least 1 token, not {self.max_length}")
        if self.max_text_tokens is not None and self.max_text_tokens < 1:
            raise InputError(f"a text must be allowed at least 1 token, not {self.max_text_tokens}")

    def apply(
        self,
        bodies: Sequence[TokenIds],
        *,
        reserved: int,
        protected: Callable[[int], int],
        first: int = 0,
    ) -> tuple[list[TokenIds], tuple[Cut, ...]]:
        """Shorten bodies to fit beside ``reserved`` tokens.

        ``protected(position)`` counts the leading tokens of a body that no cut may reach (prompt, query).
        Indices in cuts and messages begin at ``first``. Raises TooLongError if a body does not fit and the
        policy is "error", or if nothing of the text would be left.
        """
        rooms = {p: self._room(p, body, reserved, protected) for p, body in enumerate(bodies)}
        rooms = {p: room for p, room in rooms.items() if len(bodies[p]) > room}
        cuts = tuple(Cut(p + first, len(bodies[p]) + reserved, room + reserved) for p, room in rooms.items())
        if cuts and self.policy == "error":
            raise TooLongError(_explain(cuts))
        shortened = list(bodies)
        for position, room in rooms.items():
            before = protected(position)
            if room <= before:
                raise TooLongError(
                    f"max_length={self.max_length:,} leaves no room for text {position + first} beside "
                    "its prompt (or query) and the model's template, which are never cut; raise it"
                )
            shortened[position] = self._shorten(bodies[position], room, before)
        return shortened, cuts

    def _room(self, position: int, body: TokenIds, reserved: int, protected: Callable[[int], int]) -> int:
        room = self.max_length - reserved
        if self.max_text_tokens is None or len(body) <= self.max_text_tokens:
            return room
        return min(room, protected(position) + self.max_text_tokens)

    def _shorten(self, body: TokenIds, room: int, before: int) -> TokenIds:
        if self.policy == "truncate":
            return body[:room]
        return np.concatenate([body[:before], body[len(body) - (room - before) :]])


def _explain(cuts: Sequence[Cut]) -> str:
    first = ", ".join(f"text {cut.index} ({cut.tokens:,} tokens)" for cut in cuts[:3])
    more = f" and {len(cuts) - 3:,} more" if len(cuts) > 3 else ""
    return (
        f"longer than max_length={cuts[0].kept:,} tokens: {first}{more}; split the text, raise max_length, "
        'or allow cutting with on_too_long="truncate" (--truncate in the shell)'
    )

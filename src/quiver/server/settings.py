"""Settings: what a server accepts, and from whom."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields

from quiver.errors import InputError
from quiver.server.observed import WriteLine


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a request may ask for. Beyond them it is refused; nothing is cut or dropped."""

    body_bytes: int = 16 << 20
    """Largest request body."""
    body_seconds: float = 30.0
    """Time for a request body to arrive."""
    json_depth: int = 16
    """Lists and objects inside one another."""
    items: int = 2048
    """Texts to embed, or pairs to score, in one request."""
    text_characters: int = 1_000_000
    """Longest text."""
    in_flight_per_key: int = 256
    """Requests of one API key (without keys: of one address) that are under way at once."""
    deadline_seconds: float = 60.0
    """Time for an answer, counted from when the body has arrived."""

    def __post_init__(self) -> None:
        for each in fields(self):
            if not getattr(self, each.name) > 0:
                raise InputError(f"{each.name} must be positive, not {getattr(self, each.name)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a server treats its clients."""

    limits: Limits = field(default_factory=Limits)
    api_keys: Sequence[str] = ()
    """Any of these opens the server; without any, it is open to all who reach it."""
    aliases: Sequence[str] = ()
    """Further names that clients may call the models by."""
    allowed_origins: Sequence[str] = ()
    """Pages of other sites that browsers may let use the server; none by default."""
    write_line: WriteLine | None = None
    """Takes a line of JSON for each request, without users' texts."""
    cache_bytes: int = 0
    """Memory for each model's results of earlier requests; 0 keeps none."""
    drain_seconds: float = 30.0
    """Time for accepted requests to finish when the server is told to stop."""

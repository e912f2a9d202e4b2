"""Errors of the server, and what each of them is in HTTP.

    QuiverError
    ├── QueueFullError    more waits already than the server will hold (batching/call.py)
    ├── DeadlineError     the request's time is over
    ├── DrainingError     the server is stopping
    ├── SelfTestError     a model's numbers are not what they should be
    └── Refusal           a request that a client can do something about

Each dialect gives a refusal its own body and, where its clients expect another, its own status.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel

from quiver.errors import (
    FingerprintMismatch,
    InputError,
    NumericalError,
    QuiverError,
    StoreError,
    TooLongError,
)
from quiver.server.batching.call import DeadlineError, DrainingError, QueueFullError

Kind = Literal[
    "invalid",
    "too_long",
    "unauthorized",
    "not_found",
    "unknown_model",
    "slow_request",
    "too_large",
    "not_json",
    "overloaded",
    "broken_result",
    "broken_index",
    "draining",
    "deadline",
]

STATUS: Mapping[Kind, int] = {
    "invalid": 400,
    "too_long": 400,
    "unauthorized": 401,
    "not_found": 404,
    "unknown_model": 404,
    "slow_request": 408,
    "too_large": 413,
    "not_json": 415,
    "overloaded": 429,
    "broken_result": 500,
    "broken_index": 500,
    "draining": 503,
    "deadline": 504,
}

CLIENT_GONE = 499
"""What nobody reads: the client went away before its answer."""


class SelfTestError(QuiverError):
    """A model does not give the numbers that it should; it is not served."""


class Refusal(QuiverError):
    """Why a request gets no result."""

    def __init__(
        self, kind: Kind, message: str, *, field: str | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.kind: Kind = kind
        self.field = field
        """The field of the body that is to blame, if one is."""
        self.retry_after = retry_after
        """Seconds."""


KINDS: tuple[tuple[type[QuiverError], Kind], ...] = (
    (TooLongError, "too_long"),
    (InputError, "invalid"),
    (NumericalError, "broken_result"),
    (StoreError, "broken_index"),
    (FingerprintMismatch, "broken_index"),
    (DeadlineError, "deadline"),
    (DrainingError, "draining"),
)


def as_refusal(error: QuiverError) -> Refusal:
    """Any error of ours as a refusal."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, QueueFullError):
        return Refusal("overloaded", str(error), retry_after=error.retry_after)
    kinds: list[Kind] = [kind for type_, kind in KINDS if isinstance(error, type_)]
    return Refusal(kinds[0] if kinds else "broken_result", str(error))


@dataclass(frozen=True, slots=True)
class ErrorShape:
    """How a dialect says no."""

    body: Callable[[Refusal], dict[str, Any]]
    schema: type[BaseModel]
    """What ``body`` returns, for the OpenAPI document."""
    own_statuses: Mapping[Kind, int] = field(default_factory=dict)

    def status(self, refusal: Refusal) -> int:
        """The HTTP status of a refusal."""
        return self.own_statuses.get(refusal.kind, STATUS[refusal.kind])

    def responses(self, *kinds: Kind) -> dict[int | str, dict[str, Any]]:
        """For the OpenAPI document: the answers of these kinds, of all kinds if none is named."""
        statuses = {self.own_statuses.get(kind, STATUS[kind]) for kind in kinds or STATUS}
        return {status: {"model": self.schema} for status in sorted(statuses)}

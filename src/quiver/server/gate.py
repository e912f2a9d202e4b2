"""Gate: may this request come in? Asked before its body is read."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.requests import Request

from quiver.server.errors import Refusal
from quiver.server.keys import KeyRing, presented_key
from quiver.server.settings import Limits


class Gate:
    """Checks keys, counts requests under way by client, and closes when the server drains."""

    def __init__(self, keys: KeyRing, limits: Limits) -> None:
        self.limits = limits
        self.is_ready = False
        """Whether the server is up; the app's lifespan says so."""
        self.is_draining = False
        """Whether it stops, and takes nothing more."""
        self._keys = keys
        self._in_flight: Counter[str] = Counter()

    @contextmanager
    def admitted(self, request: Request) -> Iterator[str]:
        """Let a request in until the block ends; gives the name of its client.

        Raises Refusal.
        """
        client = self.identify(request)
        if self.is_draining:
            raise Refusal("draining", "the server is stopping; retry on another one", retry_after=5)
        if self._in_flight[client] >= self.limits.in_flight_per_key:
            raise Refusal(
                "overloaded",
                f"this client has {self._in_flight[client]} requests under way, the most allowed at once",
                retry_after=1,
            )
        self._in_flight[client] += 1
        try:
            yield client
        finally:
            self._in_flight[client] -= 1
            if not self._in_flight[client]:
                del self._in_flight[client]

    @property
    def under_way(self) -> int:
        """Requests inside."""
        return self._in_flight.total()

    def deadline(self) -> float:
        """When a request that begins now must be answered, by ``time.monotonic()``."""
        return time.monotonic() + self.limits.deadline_seconds

    def identify(self, request: Request) -> str:
        """The name of a request's client; raises Refusal if it needs a key and has none of ours."""
        if not self._keys:
            return request.client.host if request.client else ""
        presented = presented_key(request.headers)
        name = None if presented is None else self._keys.name_of(presented)
        if name is None:
            problem = "no API key was sent" if presented is None else "the API key is not known here"
            raise Refusal("unauthorized", f"{problem}; send one as Authorization: Bearer KEY")
        return name

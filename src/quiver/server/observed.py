"""Observed: every request counted and timed, and written as a line of JSON if that is wanted.

A line holds the time, method, route, status, milliseconds and size of the answer: what a client sent, its
address and its key are not among them.
"""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from quiver.server.metrics import Metrics

UNKNOWN = "unknown"
"""Stands for every path that is none of ours."""

WriteLine = Callable[[str], None]


class Observed:
    """ASGI middleware around the whole application."""

    def __init__(self, app: ASGIApp, metrics: Metrics, write_line: WriteLine | None = None) -> None:
        self._app, self._metrics, self._write_line = app, metrics, write_line

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and watch its answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = time.perf_counter()
        status, size = 500, 0

        async def watched(message: Message) -> None:
            nonlocal status, size
            if message["type"] == "http.response.start":
                status = message["status"]
            elif message["type"] == "http.response.body":
                size += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            self._record(scope, status, size, time.perf_counter() - begun)

    def _record(self, scope: Scope, status: int, size: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", UNKNOWN)
        self._metrics.observe(route, status, seconds)
        if self._write_line is not None:
            line = {
                "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
                "method": scope["method"],
                "route": route,
                "status": status,
                "milliseconds": round(1000 * seconds, 2),
                "bytes": size,
            }
            self._write_line(json.dumps(line))

"""Our own server with tiny models, and faults on the way to it."""

from collections.abc import Callable, Iterator
from functools import partial

import httpx
import pytest

import quiver.engine.remote.served
from quiver import Embedder, Reranker
from quiver.engine.remote.connection import Connection
from quiver.server.models import OpenedModels
from tests.server.running import Running, running

Fault = Callable[[httpx.Request], httpx.Response | None]
"""What comes instead of the server's answer, or None."""


class Way(httpx.BaseTransport):
    """The way to a real server: some paths only, faults, and what becomes of its answers."""

    def __init__(self) -> None:
        self._to_server = httpx.HTTPTransport()
        self.paths: tuple[str, ...] | None = None
        self.fault: Fault = lambda request: None
        self.alter: Callable[[httpx.Response], httpx.Response] = lambda response: response
        self.requests: list[httpx.Request] = []
        self.pauses: list[float] = []

    def close(self) -> None:
        self._to_server.close()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if self.paths is not None and request.url.path not in self.paths:
            return httpx.Response(404, request=request)
        wrong = self.fault(request)
        if wrong is not None:
            return wrong
        response = self._to_server.handle_request(request)
        response.read()
        return self.alter(response)

    def posts(self) -> list[httpx.Request]:
        return [request for request in self.requests if request.method == "POST"]


def anonymous(response: httpx.Response) -> httpx.Response:
    """As from a server that is not Quiver's: no header of ours, no fields of ours."""
    kept = {"content-type": response.headers["content-type"]}
    return httpx.Response(response.status_code, headers=kept, content=response.content)


@pytest.fixture(scope="session")
def served(embedder: Embedder, reranker: Reranker) -> Iterator[Running]:
    with running(OpenedModels(embedder=embedder, reranker=reranker)) as started:
        yield started


@pytest.fixture
def way(monkeypatch: pytest.MonkeyPatch) -> Way:
    chosen = Way()
    connection = partial(Connection, transport=chosen, sleep=chosen.pauses.append)
    monkeypatch.setattr(quiver.engine.remote.served, "Connection", connection)
    return chosen

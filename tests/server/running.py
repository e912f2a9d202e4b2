"""A server as its clients meet it: uvicorn on a port of its own, in a thread."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
import uvicorn

from quiver import Embedder, Reranker
from quiver.server.app import create_app
from quiver.server.models import OpenedModels
from quiver.server.run import bind, configuration
from quiver.server.settings import Settings


@dataclass(frozen=True)
class Running:
    """A server that answers, and the models behind it."""

    url: str
    port: int
    opened: OpenedModels

    @property
    def embedder(self) -> Embedder:
        assert self.opened.embedder is not None
        return self.opened.embedder

    @property
    def reranker(self) -> Reranker:
        assert self.opened.reranker is not None
        return self.opened.reranker

    def post(self, path: str, body: object, **headers: str) -> httpx.Response:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return httpx.post(self.url + path, json=body, headers=names, timeout=60)

    def get(self, path: str, **headers: str) -> httpx.Response:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return httpx.get(self.url + path, headers=names, timeout=60)


def wait_until(condition: Callable[[], object], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.05)


@contextmanager
def running(opened: OpenedModels, settings: Settings | None = None) -> Iterator[Running]:
    bound = bind("127.0.0.1", 0)
    port: int = bound.getsockname()[1]
    server = uvicorn.Server(configuration(create_app(opened, settings)))
    thread = threading.Thread(target=server.run, args=([bound],))
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            time.sleep(0.01)
        yield Running(f"http://127.0.0.1:{port}", port, opened)
    finally:
        server.should_exit = True
        thread.join(timeout=60)
        assert not thread.is_alive(), "the server did not stop"

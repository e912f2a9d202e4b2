import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from quiver.server.traces import are_wanted, traced


class Collector(BaseHTTPRequestHandler):
    """Takes spans as an OpenTelemetry collector does."""

    received: list[bytes]

    def do_POST(self) -> None:
        self.received.append(self.rfile.read(int(self.headers["content-length"])))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Not on the tests' output."""


def test_spans_are_wanted_where_the_environment_names_a_collector(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not are_wanted()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    assert are_wanted()


def test_a_request_becomes_a_span_without_its_body(monkeypatch: pytest.MonkeyPatch) -> None:
    async def home(request: object) -> PlainTextResponse:
        return PlainTextResponse("fine")

    received: list[bytes] = []
    server = HTTPServer(("127.0.0.1", 0), type("Server", (Collector,), {"received": received}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
    app = traced(Starlette(routes=[Route("/home", home, methods=["POST"])]))
    TestClient(app).post("/home", content="a user's text")
    until = time.monotonic() + 10
    while not received and time.monotonic() < until:
        time.sleep(0.02)
    server.shutdown()
    server.server_close()
    spans = b"".join(received)
    assert b"/home" in spans
    assert b"quiver" in spans
    assert b"a user's text" not in spans

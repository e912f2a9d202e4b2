"""Bodies and senders that mean harm, or might as well: the server stays up and answers others meanwhile."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing

import httpx
import pytest

from quiver.server.models import OpenedModels
from quiver.server.protocol import PatientProtocol
from quiver.server.settings import Limits, Settings
from tests.server.running import Running, running

PATHS = ["/v1/embeddings", "/embed", "/v2/rerank", "/api/embed", "/explain"]
JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def target(opened: OpenedModels) -> Iterator[Running]:
    limits = Limits(body_seconds=1.0)
    with running(opened, Settings(limits=limits)) as started:
        yield started


def answers(server: Running) -> bool:
    """Whether somebody else gets an answer soon."""
    response = httpx.post(f"{server.url}/v1/embeddings", json={"input": "Hello"}, timeout=5)
    return response.status_code == 200


def send(server: Running, body: bytes, path: str = "/v1/embeddings") -> httpx.Response:
    return httpx.post(server.url + path, content=body, headers=JSON, timeout=30)


def connect(server: Running) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=30)


def head(length: int) -> bytes:
    lines = ("POST /v1/embeddings HTTP/1.1", "Host: here", "Content-Type: application/json")
    return "\r\n".join((*lines, f"Content-Length: {length}", "", "")).encode()


def everything_from(connection: socket.socket) -> bytes:
    received = b""
    try:
        while chunk := connection.recv(1 << 16):
            received += chunk
    except ConnectionResetError:
        pass
    return received


def test_a_string_of_10_megabytes(target: Running) -> None:
    response = send(target, json.dumps({"input": "x" * 10_000_000}).encode())
    assert response.status_code == 413
    assert "a text of 10,000,000 characters" in response.json()["error"]["message"]


def test_100_000_texts(target: Running) -> None:
    response = send(target, json.dumps({"input": ["x"] * 100_000}).encode())
    assert response.status_code == 413
    assert "100,000 texts" in response.json()["error"]["message"]
    assert send(target, json.dumps({"input": [None] * 100_000}).encode()).status_code == 400


def test_a_body_beyond_the_limit_is_refused_before_it_is_kept(target: Running) -> None:
    response = send(target, b'{"input": "' + b"x" * (17 << 20) + b'"}')
    assert response.status_code == 413
    assert "exceeds 16,777,216 bytes" in response.json()["error"]["message"]
    assert answers(target)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "body",
    [
        b"[" * 1_000_000,
        b'{"input":' * 1_000_000,
        b'{"input": "' + b'\\"' * 5_000_000,
        b'"' * 5_000_001,
        b'{"input": "\xff\xfe"}',
        b'{"input": "\\ud800"}',
        b'{"input": NaN}',
        b'{"input": 1' + b"0" * 1_000_000 + b"}",
        b"",
        b"null",
        b"\x00" * 100,
    ],
    ids=[
        "lists in lists",
        "objects in objects",
        "an endless string of escapes",
        "quotes",
        "no UTF-8",
        "a lone surrogate",
        "not a number",
        "a long number",
        "nothing",
        "null",
        "zeros",
    ],
)
def test_what_is_no_request_is_refused_quickly(target: Running, path: str, body: bytes) -> None:
    begun = time.monotonic()
    assert send(target, body, path).status_code in (400, 422)
    assert time.monotonic() - begun < 3


def test_a_slow_sender_is_dropped_while_others_are_served(target: Running) -> None:
    with closing(connect(target)) as slow:
        slow.sendall(head(1000) + b'{"input"')
        begun = time.monotonic()
        while time.monotonic() - begun < 0.8:
            slow.sendall(b" ")
            assert answers(target)
        received = everything_from(slow)
    assert received.startswith(b"HTTP/1.1 408 ")
    assert b"connection: close" in received.lower()


def test_headers_that_do_not_end_are_given_up(target: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line at a time, one byte at a time, or not at all; also behind a first request that was served."""
    monkeypatch.setattr(PatientProtocol, "head_seconds", 1.0)
    whole = head(18) + b'{"input": "Hello"}'
    with ExitStack() as stack:
        slow = [stack.enter_context(closing(connect(target))) for _ in range(4)]
        slow[3].sendall(whole)
        assert slow[3].recv(1 << 16).startswith(b"HTTP/1.1 200 ")
        begun = time.monotonic()
        for turn, connection in ((turn, each) for turn in range(40) for each in slow[1:]):
            if time.monotonic() - begun < 0.8:
                connection.sendall(b"P" if turn % 2 else b"OST / HTTP/1.1\r\n" if turn == 0 else b"x: y\r\n")
                assert answers(target)
        received = [everything_from(connection) for connection in slow]
        assert 0.5 < time.monotonic() - begun < 5
    assert received[0] == b""
    assert all(each.startswith(b"HTTP/1.1 4") for each in received[1:])


def test_a_request_within_its_time_is_not_given_up(target: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PatientProtocol, "head_seconds", 0.3)
    whole = head(18) + b'{"input": "Hello"}'
    with closing(connect(target)) as connection:
        for _ in range(3):
            connection.sendall(whole[:20])
            time.sleep(0.1)
            connection.sendall(whole[20:-5])
            time.sleep(0.5)
            connection.sendall(whole[-5:])
            answer = connection.recv(1 << 16)
            assert answer.startswith(b"HTTP/1.1 200 ")
            time.sleep(0.5)


def test_half_closed_sockets(target: Running) -> None:
    whole = b'{"input": "Hello"}'
    for sent in (head(1000) + b'{"input"', head(len(whole)) + whole, b"POST /v1/emb", b""):
        with closing(connect(target)) as half:
            half.sendall(sent)
            half.shutdown(socket.SHUT_WR)
            assert answers(target)
            everything_from(half)


def test_connections_that_say_nothing(target: Running) -> None:
    with ExitStack() as stack:
        for _ in range(200):
            stack.enter_context(closing(connect(target)))
        assert answers(target)


def test_large_honest_work_leaves_room_for_others(target: Running) -> None:
    """Tokenising a megabyte happens beside the event loop."""
    body = json.dumps({"input": ["some words " * 90_000] * 3, "truncate": True}).encode()
    with closing(connect(target)) as busy, httpx.Client(base_url=target.url) as other:
        assert other.get("/health").status_code == 200
        busy.sendall(head(len(body)) + body)
        time.sleep(0.2)
        begun = time.monotonic()
        assert other.get("/health").status_code == 200
        assert time.monotonic() - begun < 0.5
        assert busy.recv(20).startswith(b"HTTP/1.1 200")

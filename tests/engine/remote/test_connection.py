"""Requests that fail, and what is said of them."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest

from quiver.engine.remote.connection import LONGEST_PAUSE, TRIES, Connection, KeepsFailing, Refused
from quiver.errors import EndpointError, InputError


class Server:
    """Answers in turn, the last one for ever, and remembers the requests."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self._answers = list(answers)
        self.requests: list[httpx.Request] = []
        self.pauses: list[float] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def connection(self, url: str = "http://server:1/v1/") -> Connection:
        return Connection(url, transport=httpx.MockTransport(self), sleep=self.pauses.append)


def test_an_answer_comes_from_below_the_address_without_v1() -> None:
    server = Server(httpx.Response(200, json={"ok": 1}))
    assert server.connection().get("/v1/models") == {"ok": 1}
    assert str(server.requests[0].url) == "http://server:1/v1/models"


def test_busy_servers_and_lost_connections_are_asked_again() -> None:
    busy = httpx.Response(429, headers={"retry-after": "7"})
    server = Server(httpx.ConnectError("lost"), busy, httpx.Response(503), httpx.Response(200, json=[]))
    assert server.connection().post("/embed", {}).content == []
    assert server.pauses == [1.0, 7.0, 4.0]


def test_nobody_waits_as_long_as_a_server_likes() -> None:
    server = Server(httpx.Response(429, headers={"retry-after": "86400"}), httpx.Response(200, json=[]))
    server.connection().get("/")
    assert server.pauses == [LONGEST_PAUSE]


def test_a_server_may_name_the_moment() -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=20), usegmt=True)
    past = format_datetime(datetime.now(UTC) - timedelta(seconds=20), usegmt=True)
    answers = [httpx.Response(503, headers={"retry-after": each}) for each in (soon, past, "soon")]
    server = Server(*answers, httpx.Response(200, json=[]))
    server.connection().get("/")
    assert server.pauses == [pytest.approx(19.5, abs=1), 0.0, 4.0]


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        (httpx.Response(500, text="oh\nno"), KeepsFailing, f"failed {TRIES} times, the last with 500 oh no"),
        (httpx.ConnectError("refused"), EndpointError, "http://server:1 cannot be reached: refused"),
        (
            httpx.Response(401),
            EndpointError,
            "refuses the key .401.; set the environment variable QUIVER_API_KEY",
        ),
        (httpx.Response(422, text="too long"), Refused, "422 too long"),
        (httpx.Response(200, text="<html>"), Refused, "the answer is no JSON"),
    ],
)
def test_what_went_wrong_is_said(
    answer: httpx.Response | Exception, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        Server(answer).connection().get("/")


def test_the_key_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUIVER_API_KEY", "secret")
    server = Server(httpx.Response(200, json={}))
    server.connection().get("/")
    assert server.requests[0].headers["authorization"] == "Bearer secret"


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://server", "http://", "http://a:port", ""])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(InputError, match="is no address"):
        Connection(url)

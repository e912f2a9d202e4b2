"""Connection: JSON over HTTP to one server, with retries and errors that say what to do."""

import os
import time
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, Self

import httpx

from quiver.errors import EndpointError, InputError

TRIES = 4
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 60.0
WORTH_ANOTHER_TRY = frozenset({408, 425, 429, 500, 502, 503, 504})
TOO_MUCH = frozenset({413, 504})
"""What servers say of a request that is too large, or takes them too long."""
LONGEST_REASON = 300
LARGEST_ANSWER = 512 * 2**20


class Refused(Exception):
    """The server answered that it will not do this; another request may do better."""


class TooMuch(Refused):
    """A smaller request may be answered."""


class KeepsFailing(EndpointError):
    """The server fails at this, again and again; at something else it may not."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said."""

    content: Any
    """The JSON."""
    headers: Mapping[str, str]


class Connection:
    """An open connection, closed with its last user or before. Several threads may share it.

    Args:
        url: address of the server, with or without a trailing ``/v1``.
        api_key: sent as a bearer token; None takes it from the environment.
        api_key_env: environment variable that holds the key; nothing is sent if neither is set.
        timeout: seconds to wait for an answer.
        splits: raise TooMuch at once where a smaller request may do, instead of trying again.
    """

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        api_key_env: str = "QUIVER_API_KEY",
        timeout: float = 120.0,
        splits: bool = False,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        try:
            address = httpx.URL(url)
        except (httpx.InvalidURL, ValueError) as error:
            raise InputError(f"this is no address of a server: {error}") from None
        if address.scheme not in {"http", "https"} or not address.host:
            raise InputError(f"{url!r} is no address of a server; give one such as http://localhost:8000")
        login = (address.username, address.password) if address.userinfo else None
        self.url = str(address.copy_with(userinfo=b"")).rstrip("/").removesuffix("/v1")
        """Without what a key or a password could be read from; messages name it."""
        self._api_key_env = api_key_env
        self._key = os.environ.get(api_key_env, "") if api_key is None else api_key
        headers = {"authorization": f"Bearer {self._key}"} if self._key else {}
        try:
            self._client = httpx.Client(headers=headers, auth=login, timeout=timeout, transport=transport)
        except (UnicodeError, ValueError):
            raise InputError("the API key holds characters that no header can carry") from None
        self._close = weakref.finalize(self, self._client.close)
        self._splits = splits
        self._sleep = sleep

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the sockets back."""
        self._close()

    def get(self, path: str) -> Any:  # noqa: ANN401 - any JSON
        """The JSON at a path; raises as ``post`` does."""
        return self._ask("GET", path, None).content

    def post(self, path: str, body: dict[str, Any]) -> Answer:
        """What answers a body.

        Raises Refused if the server declines this request or answers with something that is no JSON,
        KeepsFailing if it fails every time, EndpointError if it cannot be reached or refuses the key.
        """
        return self._ask("POST", path, body)

    def _ask(self, method: str, path: str, body: dict[str, Any] | None) -> Answer:
        response = self._answered(method, path, body)
        if response.status_code in {401, 403}:
            raise EndpointError(
                f"{self.url} refuses the key ({response.status_code}); set the environment variable "
                f"{self._api_key_env}"
            )
        if self._splits and response.status_code in TOO_MUCH:
            raise TooMuch(self._reason(response))
        if response.status_code in WORTH_ANOTHER_TRY:
            said = self._reason(response)
            raise KeepsFailing(f"{self.url}{path} failed {TRIES} times, the last with {said}")
        if not response.is_success:
            raise Refused(self._reason(response))
        if len(response.content) > LARGEST_ANSWER:
            raise EndpointError(f"{self.url}{path} answers with more than {LARGEST_ANSWER} bytes")
        try:
            return Answer(response.json(), response.headers)
        except ValueError:
            raise Refused("the answer is no JSON") from None

    def _answered(self, method: str, path: str, body: dict[str, Any] | None) -> httpx.Response:
        final = TOO_MUCH if self._splits else frozenset[int]()
        for attempt in range(1, TRIES + 1):
            try:
                response = self._client.request(method, self.url + path, json=body)
            except httpx.TransportError as error:
                if attempt == TRIES:
                    said = self._without_key(str(error) or type(error).__name__)
                    raise EndpointError(f"{self.url} cannot be reached: {said}") from None
                self._sleep(FIRST_PAUSE * 2**attempt)
                continue
            status = response.status_code
            if status not in WORTH_ANOTHER_TRY or status in final or attempt == TRIES:
                return response
            self._sleep(_pause(response, attempt))
        raise AssertionError("the last try returns or raises")

    def _reason(self, response: httpx.Response) -> str:
        said = " ".join(self._without_key(response.text).split())
        return f"{response.status_code} {said[:LONGEST_REASON]}".strip()

    def _without_key(self, said: str) -> str:
        return said.replace(self._key, "***") if self._key else said


def _pause(response: httpx.Response, attempt: int) -> float:
    """Seconds until the next try: what the server asks for, or twice as long each time."""
    asked = response.headers.get("retry-after", "").strip()
    if asked.isdecimal():
        seconds = float(asked)
    else:
        try:
            seconds = (parsedate_to_datetime(asked).astimezone(UTC) - datetime.now(UTC)).total_seconds()
        except ValueError:
            seconds = FIRST_PAUSE * 2**attempt
    return min(max(seconds, 0.0), LONGEST_PAUSE)

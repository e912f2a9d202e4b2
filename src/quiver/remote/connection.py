"""Connection: JSON over HTTP to one server, with retries and errors that say what to do."""

import os
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import httpx

from quiver.errors import EndpointError, InputError

TRIES = 4
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 30.0
WORTH_ANOTHER_TRY = frozenset({408, 425, 429, 500, 502, 503, 504})
LONGEST_REASON = 300
LARGEST_ANSWER = 512 * 2**20


class Refused(Exception):
    """The server answered that it will not do this; another request may do better."""


class KeepsFailing(EndpointError):
    """The server fails at this, again and again; at something else it may not."""


class Connection:
    """An open connection; close it, or use it as a context.

    Args:
        url: address of the server, with or without a trailing ``/v1``.
        api_key_env: environment variable that holds the key; sent as a bearer token if it is set.
        timeout: seconds to wait for an answer.
    """

    def __init__(
        self,
        url: str,
        *,
        api_key_env: str = "QUIVER_API_KEY",
        timeout: float = 120.0,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        try:
            address = httpx.URL(url)
        except (httpx.InvalidURL, ValueError) as error:
            raise InputError(f"{url!r} is no address: {error}") from None
        if address.scheme not in {"http", "https"} or not address.host:
            raise InputError(f"{url!r} is no address of a server; give one such as http://localhost:8000")
        self.url = str(address).rstrip("/").removesuffix("/v1")
        self._api_key_env = api_key_env
        key = os.environ.get(api_key_env, "")
        headers = {"authorization": f"Bearer {key}"} if key else {}
        self._client = httpx.Client(headers=headers, timeout=timeout, transport=transport)
        self._sleep = sleep

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the sockets back."""
        self._client.close()

    def get(self, path: str) -> Any:  # noqa: ANN401 - any JSON
        """The JSON at a path; raises as ``post`` does."""
        return self._ask("GET", path, None)

    def post(self, path: str, body: dict[str, Any]) -> Any:  # noqa: ANN401 - any JSON
        """The JSON that answers a body.

        Raises Refused if the server declines this request or answers with something that is no JSON,
        KeepsFailing if it fails every time, EndpointError if it cannot be reached or refuses the key.
        """
        return self._ask("POST", path, body)

    def _ask(self, method: str, path: str, body: dict[str, Any] | None) -> Any:  # noqa: ANN401 - any JSON
        response = self._answered(method, path, body)
        if response.status_code in {401, 403}:
            raise EndpointError(
                f"{self.url} refuses the key ({response.status_code}); set the environment variable "
                f"{self._api_key_env}"
            )
        if response.status_code in WORTH_ANOTHER_TRY:
            raise KeepsFailing(f"{self.url}{path} failed {TRIES} times, the last with {_reason(response)}")
        if response.is_error:
            raise Refused(_reason(response))
        if len(response.content) > LARGEST_ANSWER:
            raise EndpointError(f"{self.url}{path} answers with more than {LARGEST_ANSWER} bytes")
        try:
            return response.json()
        except ValueError:
            raise Refused("the answer is no JSON") from None

    def _answered(self, method: str, path: str, body: dict[str, Any] | None) -> httpx.Response:
        for attempt in range(1, TRIES + 1):
            try:
                response = self._client.request(method, self.url + path, json=body)
            except httpx.TransportError as error:
                if attempt == TRIES:
                    said = str(error) or type(error).__name__
                    raise EndpointError(f"{self.url} cannot be reached: {said}") from None
                self._sleep(FIRST_PAUSE * 2**attempt)
                continue
            if response.status_code not in WORTH_ANOTHER_TRY or attempt == TRIES:
                return response
            self._sleep(_pause(response, attempt))
        raise AssertionError("the last try returns or raises")


def _pause(response: httpx.Response, attempt: int) -> float:
    asked = response.headers.get("retry-after", "")
    seconds = float(asked) if asked.isdecimal() else FIRST_PAUSE * 2**attempt
    return min(seconds, LONGEST_PAUSE)


def _reason(response: httpx.Response) -> str:
    return f"{response.status_code} {' '.join(response.text.split())[:LONGEST_REASON]}".strip()

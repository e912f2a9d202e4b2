"""Chat: one question at a time to an OpenAI-compatible endpoint, through the openai package.

The package waits and tries again by itself: lost connections, 408, 409, 429 and 5xx, with growing pauses or
as long as ``Retry-After`` says.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quiver.errors import EndpointError, InputError

if TYPE_CHECKING:
    from openai import AsyncOpenAI

NO_KEY = "none"
"""Sent to endpoints that ask for no key; the package insists on one."""
FAILURES_IN_A_ROW = 20
"""So many requests that fail after all their retries mean that the endpoint is down."""
LONGEST_REASON = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatEndpoint:
    """Where and how to ask."""

    model: str
    """Name of the model, as the endpoint knows it."""
    base_url: str | None = None
    """Such as ``http://localhost:8000/v1``; None is OPENAI_BASE_URL, else OpenAI's own."""
    api_key_env: str = "OPENAI_API_KEY"
    """Environment variable that holds the key; it may be unset where ``base_url`` needs none."""
    concurrency: int = 8
    """Requests under way at once."""
    max_retries: int = 6
    timeout: float = 120.0
    """Seconds to wait for an answer."""

    def __post_init__(self) -> None:
        if self.concurrency < 1:
            raise InputError(f"concurrency is at least 1, not {self.concurrency}")


class Unanswered(Exception):
    """A request failed for good; others may not."""


class Chat:
    """An open connection to an endpoint."""

    def __init__(self, client: "AsyncOpenAI", endpoint: ChatEndpoint) -> None:
        self.endpoint = endpoint
        self._client = client
        self._failures = 0

    async def ask(self, system: str, user: str) -> str:
        """The model's answer, "" if it gave none.

        Raises Unanswered if this request failed, EndpointError if the endpoint refuses all requests.
        """
        import openai

        try:
            completion = await self._client.chat.completions.create(
                model=self.endpoint.model,
                messages=[{"role": "system", "content": system}, {"role": "user", "content": user}],
            )
            content = completion.choices[0].message.content
        except (openai.AuthenticationError, openai.PermissionDeniedError, openai.NotFoundError) as error:
            raise EndpointError(
                f"the chat endpoint refuses: {self._reason(error)}; check the model's name, the base URL and "
                f"the key in {self.endpoint.api_key_env}"
            ) from None
        except openai.APIError as error:
            raise self._failure(self._reason(error)) from None
        except (ValueError, LookupError, TypeError, AttributeError):  # the package does not check answers
            raise self._failure("what came back is no chat completion") from None
        self._failures = 0
        return content if isinstance(content, str) else ""

    def _failure(self, reason: str) -> Exception:
        self._failures += 1
        if self._failures < FAILURES_IN_A_ROW:
            return Unanswered(reason)
        return EndpointError(f"{self._failures} requests in a row failed, the last with: {reason}")

    def _reason(self, error: Exception) -> str:
        """What the endpoint said, which may quote the key, in one line."""
        cause = f": {error.__cause__}" if error.__cause__ else ""
        said = " ".join(f"{error}{cause}".split())
        key = self._client.api_key
        return (said if key == NO_KEY else said.replace(key, "***"))[:LONGEST_REASON]


@asynccontextmanager
async def open_chat(endpoint: ChatEndpoint) -> AsyncIterator[Chat]:
    """Connect; raises InputError without the openai package or without a key where one is needed."""
    try:
        from openai import AsyncOpenAI
    except ModuleNotFoundError as error:
        raise InputError(
            "chat endpoints need the openai package: pip install 'quiver-embed[train]'"
        ) from error
    key = os.environ.get(endpoint.api_key_env)
    if not key and endpoint.base_url is None:
        raise InputError(
            f"no API key: set the environment variable {endpoint.api_key_env}, or give a base URL"
        )
    async with AsyncOpenAI(
        api_key=key or NO_KEY,
        base_url=endpoint.base_url,
        max_retries=endpoint.max_retries,
        timeout=endpoint.timeout,
    ) as client:
        yield Chat(client, endpoint)

"""Servers that serve the built-in models wrongly, each in one way, without a socket."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import httpx
import numpy as np

from quiver import Embedder
from quiver.embedder import normalize
from quiver.engine.remote.connection import Connection
from quiver.results import Floats

ADDRESS = "http://faulty"
LONGEST = 300
"""Tokens that the costly faults read."""
Answer = Callable[[Mapping[str, Any]], Any]


def connected(answers: Mapping[str, Answer]) -> Connection:
    """A connection to a server that has just these paths."""

    def answer(request: httpx.Request) -> httpx.Response:
        known = answers.get(request.url.path)
        if known is None:
            return httpx.Response(404, json={"error": "no such path"})
        return httpx.Response(200, content=json.dumps(known(json.loads(request.content or b"{}"))))

    return Connection(ADDRESS, transport=httpx.MockTransport(answer), sleep=lambda _: None)


class OpenAIShaped:
    """`/v1/embeddings` over some way to embed texts; it can count, and honours `dimensions`."""

    def __init__(self, vectors: Callable[[Sequence[str]], Floats], tokens_of_hello: int = 2) -> None:
        self._vectors, self._tokens = vectors, tokens_of_hello

    def __call__(self, body: Mapping[str, Any]) -> Any:
        rows = self._vectors(body["input"])[:, : self.dimensions(body)]
        tokens = self._tokens + (5 if "<|" in body["input"][0] else 0)
        data = [{"index": number, "embedding": row.tolist()} for number, row in enumerate(rows)]
        # Nothing promises the order of the answer.
        return {"data": data[::-1], "usage": {"prompt_tokens": tokens}}

    def dimensions(self, body: Mapping[str, Any]) -> int | None:
        wanted: int | None = body.get("dimensions")
        return wanted


class DeafToDimensions(OpenAIShaped):
    """Gives whole vectors whatever is asked."""

    def dimensions(self, body: Mapping[str, Any]) -> None:
        return None


def right(embedder: Embedder) -> Callable[[Sequence[str]], Floats]:
    return lambda texts: np.asarray(embedder.encode_document(texts))


def without_end_token(embedder: Embedder) -> Callable[[Sequence[str]], Floats]:
    return cut_at(embedder, -1)


def pooled_by_mean(embedder: Embedder) -> Callable[[Sequence[str]], Floats]:
    def vector(text: str) -> Floats:
        (ids,) = embedder.tokenize([text])
        rows, _ = embedder.forward([ids[: end + 1] for end in range(min(len(ids), LONGEST))])
        mean: Floats = rows.mean(axis=0)
        return mean

    return lambda texts: normalize(np.stack([vector(text) for text in texts]))


def cut_at(embedder: Embedder, end: int) -> Callable[[Sequence[str]], Floats]:
    """Reads the tokens before `end`, which counts from the back if negative."""

    def vectors(texts: Sequence[str]) -> Floats:
        return normalize(embedder.forward([ids[:end] for ids in embedder.tokenize(texts)])[0])

    return vectors

"""Load: many clients at once, and short queries that come at random beside bulk requests."""

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass

import httpx
import numpy as np
import numpy.typing as npt

from benchmarks.servers.process import MODEL, Server

CLIENTS = 32
SHORT = "How do I undo my last commit, and keep what I changed? ({})"
BULK_SHARE = 0.8
"""Of half the load; short queries are the rest."""
BULK_TEXTS = 32


@dataclass(frozen=True, slots=True)
class Saturated:
    """What clients got who asked without a pause, one text a request."""

    seconds: float
    vectors: npt.NDArray[np.float64]
    """[N, E] in the order of the texts."""


def saturate(server: Server, texts: Sequence[str]) -> Saturated:
    """Embed all texts, a request for each, from clients that ask again as soon as they are answered."""
    return asyncio.run(_saturate(server, texts))


def wait_at_random(
    server: Server, texts: Sequence[str], texts_per_second: float, short_per_second: float, seconds: float
) -> list[float]:
    """Seconds that each short query took, beside bulk requests of so many texts a second."""
    return asyncio.run(_half_load(server, texts, texts_per_second, short_per_second, seconds))


def _client() -> httpx.AsyncClient:
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=CLIENTS)
    return httpx.AsyncClient(limits=limits, timeout=600)


async def _post(client: httpx.AsyncClient, server: Server, body: dict[str, object]) -> httpx.Response:
    response = await client.post(server.url, json={"model": MODEL, **body})
    response.raise_for_status()
    return response


async def _saturate(server: Server, texts: Sequence[str]) -> Saturated:
    answers: dict[int, httpx.Response] = {}
    left = iter(list(enumerate(texts)))

    async def ask(client: httpx.AsyncClient) -> None:
        for number, text in left:
            answers[number] = await _post(client, server, {"input": [text]})

    async with _client() as client:
        begun = time.perf_counter()
        await asyncio.gather(*(ask(client) for _ in range(CLIENTS)))
        seconds = time.perf_counter() - begun
    vectors = [answers[number].json()["data"][0]["embedding"] for number in range(len(texts))]
    return Saturated(seconds, np.asarray(vectors))


async def _half_load(
    server: Server, texts: Sequence[str], texts_per_second: float, short_per_second: float, seconds: float
) -> list[float]:
    chance = random.Random(0)
    waits: list[float] = []
    until = time.monotonic() + seconds

    async def short(client: httpx.AsyncClient, number: int) -> None:
        begun = time.perf_counter()
        await _post(client, server, {"input": SHORT.format(number)})
        waits.append(time.perf_counter() - begun)

    async def bulk(client: httpx.AsyncClient) -> None:
        turn = 0
        while time.monotonic() < until:
            part = [texts[(turn + place) % len(texts)] for place in range(BULK_TEXTS)]
            turn += BULK_TEXTS
            pause = asyncio.sleep(BULK_TEXTS / texts_per_second)
            await asyncio.gather(_post(client, server, {"input": part}), pause)

    async with _client() as client:
        tasks = [asyncio.create_task(bulk(client))]
        while time.monotonic() < until:
            tasks.append(asyncio.create_task(short(client, len(tasks))))
            await asyncio.sleep(chance.expovariate(short_per_second))
        await asyncio.gather(*tasks)
    return waits

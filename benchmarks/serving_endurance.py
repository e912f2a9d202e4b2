"""Serving endurance: a hundred thousand requests, and the server's memory stays flat.

Requests of several dialects differ in the number and lengths of their texts; some are wrong, some clients go
away before their answer. The resident memory of the server's process is sampled all along and judged as in
``benchmarks.endurance``.
"""

import argparse
import asyncio
import random
from collections.abc import Iterator
from typing import Any

import httpx

from benchmarks.command import new_parser, run, write_json
from benchmarks.endurance import SAMPLES, judge
from benchmarks.samples import INSTRUCTIONS, WORDS
from benchmarks.servers.process import Server, serving

CLIENTS = 8
LONGEST = 60
"""Words of a text."""
PATIENCE = 0.001
"""Seconds after which an impatient client goes away."""


def main() -> int:
    """Ask and judge."""
    options = _parse()
    with serving("quiver", dtype="float32") as server:
        callers = _Callers(server)
        resident = asyncio.run(callers.run(options.requests))
    report = judge(resident)
    report.title = "Resident memory of the server over many requests"
    report.facts["requests"] = ", ".join(f"{count:,} {what}" for what, count in callers.outcomes.items())
    report.show()
    write_json(options.json, [report])
    return 0 if report.facts["verdict"] == "flat" else 1


def _parse() -> argparse.Namespace:
    parser = new_parser("serving_endurance", __doc__ or "", "python -m benchmarks.serving_endurance")
    parser.add_argument("--requests", type=int, default=100_000, help="(default: 100,000)")
    return parser.parse_args()


class _Callers:
    """Clients whose requests differ; repeatable."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._origin = server.url.removesuffix("/v1/embeddings")
        self._random = random.Random(0)
        self.outcomes = {"answered": 0, "refused": 0, "given up": 0, "cut off": 0}

    async def run(self, requests: int) -> list[int]:
        """The server's resident memory, sampled as requests go on."""
        resident: list[int] = []
        async with httpx.AsyncClient(base_url=self._origin, timeout=60) as client:
            for _ in range(SAMPLES):
                left = iter(range(requests // SAMPLES))
                await asyncio.gather(*(self._ask(client, left) for _ in range(CLIENTS)))
                resident.append(self._server.resident)
        return resident

    async def _ask(self, client: httpx.AsyncClient, left: Iterator[int]) -> None:
        for number in left:
            path, body = self._request()
            try:
                patience = PATIENCE if number % 50 == 0 else 60
                response = await client.post(path, json=body, timeout=patience)
                self.outcomes["answered" if response.status_code == 200 else "refused"] += 1
            except httpx.TimeoutException:
                self.outcomes["given up"] += 1
            except httpx.TransportError:
                self.outcomes["cut off"] += 1

    def _request(self) -> tuple[str, dict[str, Any]]:
        choice = self._random.choice
        texts = [self._text() for _ in range(choice((1, 1, 1, 2, 4)))]
        kinds: list[tuple[str, dict[str, Any]]] = [
            ("/v1/embeddings", {"input": texts}),
            ("/v1/embeddings", {"input": texts, "encoding_format": "base64", "dimensions": 64}),
            ("/v1/embeddings", {"input": texts, "instruction": choice(INSTRUCTIONS)}),
            ("/v1/embeddings", {"input": texts, "unknown": 1}),
            ("/embed", {"inputs": texts}),
            ("/api/embed", {"model": "quiver-embedding-mini", "input": texts}),
        ]
        return choice(kinds)

    def _text(self) -> str:
        words = round(LONGEST ** self._random.random())
        return " ".join(self._random.choices(WORDS, k=words))


if __name__ == "__main__":
    run(main)

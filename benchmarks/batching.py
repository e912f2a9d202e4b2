"""Batching: what a server's batcher costs, and how long short queries wait in it.

Saturated: many clients with a few texts each, against one call of ``Embedder`` over the same texts. At
half of that load: short queries that come at random beside bulk calls; their median and slowest hundredth.
"""

import asyncio
import random
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.command import Report, new_parser, run, write_json
from benchmarks.samples import real_texts
from quiver import Embedder
from quiver.models import catalog
from quiver.server.batching.batcher import Batcher
from quiver.server.batching.call import Call
from quiver.server.batching.limits import QueueLimits
from quiver.server.batching.served import ServedEmbedder

TEXTS_A_CALL = 4
CLIENTS = 64
SHORT = "How do I undo my last commit, and keep what I changed? ({})"
BULK_TEXTS = 64
SHORTEST, LONGEST = 5, 400
"""Tokens of the texts."""


def main() -> int:
    """Measure both loads."""
    parser = new_parser("batching", __doc__ or "", "python -m benchmarks.batching --texts 512")
    parser.add_argument("--embedder", type=Path, help="a folder (default: built in)")
    parser.add_argument("--texts", type=int, default=512)
    parser.add_argument("--seconds", type=float, default=20.0, help="of the half load")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    embedder = Embedder(options.embedder, threads=options.threads)
    folder = (
        catalog.BUILTIN_FOLDER / catalog.BUILTIN_EMBEDDER if options.embedder is None else options.embedder
    )
    texts = real_texts(folder, None, options.texts, SHORTEST, LONGEST)
    report = Report("Batching", ["measure", "figure"])
    shares, speeds = zip(*(_round(embedder, texts) for _ in range(options.rounds)), strict=True)
    share, speed = float(np.median(shares)), float(np.median(speeds))
    report.add(["saturated throughput / bare engine", f"{share:.3f}"], {"saturated_share": share})
    waits = asyncio.run(_half_load(embedder, texts, speed / 2, options.seconds))
    p50, p99 = np.percentile(waits, [50, 99])
    report.add(["short queries at half load", f"{len(waits)}"], {"queries": len(waits)})
    report.add(["p50", f"{1000 * p50:.1f} ms"], {"p50": p50})
    report.add(["p99", f"{1000 * p99:.1f} ms"], {"p99": p99})
    report.add(["p99 / p50", f"{p99 / p50:.2f}"], {"ratio": p99 / p50})
    report.show()
    write_json(options.json, [report])
    return 0


def _round(embedder: Embedder, texts: Sequence[str]) -> tuple[float, float]:
    """The batcher's share of the bare speed, and its tokens a second."""
    begun = time.perf_counter()
    usage = embedder.encode_document(texts, show_progress_bar=False).usage
    bare = time.perf_counter() - begun
    begun = time.perf_counter()
    asyncio.run(_saturated(embedder, texts))
    batched = time.perf_counter() - begun
    return bare / batched, usage.tokens_in / batched


def _served(embedder: Embedder) -> ServedEmbedder:
    batcher = Batcher(embedder.steps, QueueLimits())
    batcher.start()
    return ServedEmbedder(embedder, batcher, "model")


async def _saturated(embedder: Embedder, texts: Sequence[str]) -> None:
    """Clients that each ask again as soon as they are answered."""
    served = _served(embedder)
    calls = iter([texts[start : start + TEXTS_A_CALL] for start in range(0, len(texts), TEXTS_A_CALL)])

    async def client() -> None:
        for part in calls:
            prepared = await asyncio.to_thread(embedder.prepare_document, part)
            await served.embed(prepared, Call())

    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    await served.batcher.drain(1)


async def _half_load(
    embedder: Embedder, texts: Sequence[str], tokens_per_second: float, seconds: float
) -> list[float]:
    """Seconds that each short query took, beside bulk calls that make up the rest of the load."""
    served = _served(embedder)
    chance = random.Random(0)
    waits: list[float] = []
    bulk = embedder.prepare_document(texts[:BULK_TEXTS])
    bulk_tokens = sum(map(len, bulk.sequences))
    until = time.monotonic() + seconds

    async def short(number: int) -> None:
        begun = time.perf_counter()
        await served.embed(embedder.prepare_query([SHORT.format(number)]), Call(key="person"))
        waits.append(time.perf_counter() - begun)

    async def bulk_clients() -> None:
        turn = 0
        while time.monotonic() < until:
            part = texts[turn % len(texts) :][:BULK_TEXTS]
            turn += BULK_TEXTS
            asking = asyncio.create_task(
                served.embed(await asyncio.to_thread(partial(embedder.prepare_document, part)), Call())
            )
            await asyncio.sleep(bulk_tokens / (0.8 * tokens_per_second))
            await asking

    load = asyncio.create_task(bulk_clients())
    tasks: list[asyncio.Task[None]] = []
    while time.monotonic() < until:
        tasks.append(asyncio.create_task(short(len(tasks))))
        await asyncio.sleep(chance.expovariate(1 / _pause(embedder, 0.2 * tokens_per_second)))
    await asyncio.gather(load, *tasks)
    await served.batcher.drain(1)
    return waits


def _pause(embedder: Embedder, tokens_per_second: float) -> float:
    """Mean seconds between short queries that make up so many tokens."""
    return len(embedder.prepare_query([SHORT.format(0)]).sequences[0]) / tokens_per_second


if __name__ == "__main__":
    run(main)

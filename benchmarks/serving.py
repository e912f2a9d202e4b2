"""Serving: servers on loopback behind one client, with one checkpoint and the same texts.

Saturated: 32 clients ask for a text at a time without a pause; Quiver's server against its bare engine (one
call of ``Embedder`` over the same texts), against itself in int8, and against the servers of vLLM and
infinity, where they are installed (``--python vllm=…``; docs/benchmarks.md). At half of Quiver's load: short
queries that come at random beside bulk requests; their median and slowest hundredth. Servers run one after
the other, Quiver's and the bare engine in turns.
"""

import argparse
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks import checkpoints
from benchmarks.command import BenchmarkError, Report, new_parser, run, write_json
from benchmarks.peak import count_cores
from benchmarks.samples import real_texts
from benchmarks.servers.load import BULK_SHARE, SHORT, Saturated, saturate, wait_at_random
from benchmarks.servers.process import Server, serving
from benchmarks.timing import seconds
from quiver import Embedder
from quiver.results import Embeddings

SHORTEST, LONGEST = 5, 400
"""Tokens of the texts."""
LEAST_COSINE = 0.99
"""Of a server's vectors with Quiver's; below it, they did other work."""
PEERS = ("vllm", "infinity")


@dataclass(frozen=True, slots=True)
class Work:
    """What every server is given."""

    folder: Path
    texts: list[str]
    tokens: int
    short_tokens: int
    dtype: str
    threads: int


def main() -> int:
    """Measure every server that is installed."""
    options = _parse()
    pythons = dict(each.split("=", 1) for each in options.python)
    with checkpoints.checkpoint(options.checkpoint, "embedding", options) as folder:
        embedder = Embedder(folder, dtype=options.dtype, threads=options.threads)
        texts = real_texts(folder, None, options.texts, SHORTEST, LONGEST)
        sequences = embedder.prepare_document(texts).sequences
        short = embedder.prepare_document([SHORT.format(0)]).sequences[0]
        tokens = sum(map(len, sequences))
        work = Work(folder, texts, tokens, len(short), options.dtype, options.threads or count_cores())
        reports = _measure(embedder, work, pythons, options)
    for report in reports:
        report.facts |= {"checkpoint": checkpoints.describe(options), "precision": options.dtype}
        report.show()
    write_json(options.json, reports)
    return 0


def _parse() -> argparse.Namespace:
    parser = new_parser(
        "serving",
        __doc__ or "",
        "python -m benchmarks.serving --layers 4 --python vllm=../vllm/bin/python",
    )
    parser.add_argument("checkpoint", nargs="?", type=Path, help="an embedding model's folder")
    checkpoints.add_options(parser, layers=None)
    parser.add_argument("--dtype", default="bfloat16", help="of every server (default: bfloat16)")
    parser.add_argument("--texts", type=int, default=256, help="(default: 256)")
    parser.add_argument("--seconds", type=float, default=30.0, help="of half the load (default: 30)")
    parser.add_argument("--rounds", type=int, default=3, help="of Quiver and the bare engine (default: 3)")
    parser.add_argument(
        "--python",
        action="append",
        default=[],
        metavar="NAME=PYTHON",
        help="a server's own Python: vllm, infinity",
    )
    return parser.parse_args()


def _measure(
    embedder: Embedder, work: Work, pythons: Mapping[str, str], options: argparse.Namespace
) -> list[Report]:
    saturated = Report(
        f"Saturated: {len(work.texts)} requests, {work.tokens:,} tokens",
        ["", "requests/s", "tokens/s", "Quiver is so many times as fast", "Quiver in int8", "least cosine"],
    )
    expected = embedder.encode_document(work.texts, show_progress_bar=False)
    with serving("quiver", sys.executable, work.folder, work.dtype, work.threads) as server:
        bare, ours = _in_turns(embedder, server, work, options.rounds)
        quiver = statistics.median(each.seconds for each in ours)
        waits = _waits(server, work, quiver, options.seconds)
    int8 = _saturated("quiver", sys.executable, replace(work, dtype="int8"))
    both = quiver, int8.seconds
    _add(saturated, "bare engine", bare, None, work, expected, both)
    _add(saturated, f"quiver serve, {work.dtype}", quiver, ours[-1], work, expected, both)
    _add(saturated, "quiver serve, int8", int8.seconds, int8, work, expected, both)
    saturated.facts["server / bare engine"] = f"{bare / quiver:.3f}"
    for name in PEERS:
        if name not in pythons:
            saturated.facts[name] = f"not measured: give --python {name}=…"
            continue
        try:
            found = _saturated(name, pythons[name], work)
            _add(saturated, name, found.seconds, found, work, expected, both)
        except BenchmarkError as error:
            saturated.facts[name] = f"not measured: {error}"
    return [saturated, _half_load_report(waits)]


def _saturated(name: str, python: str, work: Work) -> Saturated:
    with serving(name, python, work.folder, work.dtype, work.threads) as server:
        saturate(server, work.texts[: len(work.texts) // 8])
        return saturate(server, work.texts)


def _in_turns(embedder: Embedder, server: Server, work: Work, rounds: int) -> tuple[float, list[Saturated]]:
    saturate(server, work.texts[: len(work.texts) // 8])
    bare: list[float] = []
    ours: list[Saturated] = []
    for _ in range(rounds):
        bare.append(seconds(lambda: embedder.encode_document(work.texts, show_progress_bar=False)))
        ours.append(saturate(server, work.texts))
    return statistics.median(bare), ours


def _waits(server: Server, work: Work, saturated: float, seconds: float) -> list[float]:
    tokens_per_second = work.tokens / saturated / 2
    texts_per_second = BULK_SHARE * tokens_per_second * len(work.texts) / work.tokens
    short_per_second = (1 - BULK_SHARE) * tokens_per_second / work.short_tokens
    return wait_at_random(server, work.texts, texts_per_second, short_per_second, seconds)


def _add(
    report: Report,
    name: str,
    taken: float,
    found: Saturated | None,
    work: Work,
    expected: Embeddings,
    ours: tuple[float, float],
) -> None:
    cosine = 1.0
    if found is not None:
        unit = found.vectors / np.linalg.norm(found.vectors, axis=1, keepdims=True)
        cosine = float((unit * np.asarray(expected)).sum(axis=1).min())
    rates = f"{len(work.texts) / taken:.1f}", f"{work.tokens / taken:,.0f}"
    ratios = (f"{taken / our_seconds:.2f}" for our_seconds in ours)
    warning = "" if cosine >= LEAST_COSINE else " (other vectors)"
    report.add(
        [name, *rates, *ratios, f"{cosine:.5f}{warning}"],
        {"server": name, "seconds": taken, "cosine": cosine},
    )


def _half_load_report(waits: Sequence[float]) -> Report:
    p50, p99 = np.percentile(waits, [50, 99])
    report = Report("Short queries at half of that load", ["measure", "figure"])
    report.add(["queries", str(len(waits))], {"queries": len(waits)})
    report.add(["p50", f"{1000 * p50:.1f} ms"], {"p50": p50})
    report.add(["p99", f"{1000 * p99:.1f} ms"], {"p99": p99})
    report.add(["p99 / p50", f"{p99 / p50:.2f}"], {"ratio": p99 / p50})
    return report


if __name__ == "__main__":
    run(main)

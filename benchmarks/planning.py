"""Planning: does the planner foresee a run ten times as large as its calibration?

Calibrates (``quiver calibrate``), asks for a plan (``quiver plan``), then runs what was planned:
``quiver embed`` over real texts of about so many tokens, ten times as many tokens as the calibration had. The
whole process counts, from its start to the last vector on disk.

Fails (exit 1) where the run takes more than 20 % more or less than was foreseen.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from pydoc_data import topics
from typing import Any

from benchmarks import checkpoints
from benchmarks.command import BenchmarkError, Report, new_parser, run, write_json
from quiver import Embedder
from quiver.planning.rates import Rate, read_rates

ALLOWED = 0.2
TIMES = 10


def main() -> int:
    """Calibrate, plan, run; 1 if the plan was off by more than is allowed."""
    options = _parse()
    with (
        checkpoints.checkpoint(options.checkpoint, "embedding", options) as folder,
        tempfile.TemporaryDirectory(prefix="quiver-planning-") as work,
    ):
        report, off = _check(folder, Path(work), options)
    report.show()
    write_json(options.json, [report])
    return 0 if abs(off) <= ALLOWED else 1


def _parse() -> argparse.Namespace:
    parser = new_parser(
        "planning",
        "Compare a plan with the run that it foresees.",
        "python -m benchmarks.planning --size 0.6B --layers 4 --seconds 20",
    )
    parser.add_argument("checkpoint", nargs="?", type=Path, metavar="CHECKPOINT", help="model folder")
    checkpoints.add_options(parser, layers=4)
    parser.add_argument(
        "--seconds", type=float, default=20, help="of the calibration; the run takes ten times that"
    )
    parser.add_argument("--tokens", type=int, default=200, help="of a text, in the mean")
    parser.add_argument("--dtype", default="auto", help="number format")
    return parser.parse_args()


def _check(folder: Path, work: Path, options: argparse.Namespace) -> tuple[Report, float]:
    rate = _calibrate(folder, work, options)
    corpus = work / "corpus.jsonl"
    count, tokens = _write_corpus(corpus, folder, options.tokens, TIMES * rate.tokens_measured)
    planned = _plan(work, count, tokens / count, rate)
    begun = time.perf_counter()
    _quiver(
        "embed",
        "--model",
        folder,
        "--dtype",
        options.dtype,
        "-i",
        corpus,
        "-o",
        work / "vectors.npy",
        "--quiet",
    )
    taken = time.perf_counter() - begun
    off = planned / taken - 1
    report = Report(
        f"Planning: {checkpoints.describe(options)}, {rate.precision}",
        ("", "texts", "tokens a text", "tokens", "seconds"),
    )
    measured = rate.tokens_measured
    report.add(
        ["calibration", f"{sum(p.texts for p in rate.points):,}", "", f"{measured:,.0f}", ""],
        {"tokens": measured},
    )
    for name, seconds in (("foreseen", planned), ("run", taken)):
        cells = [name, f"{count:,}", f"{tokens / count:,.0f}", f"{tokens:,}", f"{seconds:.1f}"]
        report.add(cells, {"case": name, "texts": count, "tokens": tokens, "seconds": seconds})
    report.facts["engine"] = rate.engine
    report.facts["the plan is off by"] = f"{off:+.1%}"
    report.facts["allowed"] = f"{ALLOWED:.0%}"
    return report, off


def _calibrate(folder: Path, work: Path, options: argparse.Namespace) -> Rate:
    rates = work / "rates.json"
    given = ("--model", folder, "--dtype", options.dtype, "--seconds", options.seconds, "--rates", rates)
    _quiver("calibrate", *given)
    return read_rates(rates)[0]


def _plan(work: Path, count: int, tokens: float, rate: Rate) -> float:
    """Seconds that one machine is planned to take."""
    asked = ("--documents", count, "--tokens", tokens, "--dim", 256, "--rates", work / "rates.json")
    content: dict[str, Any] = json.loads(_quiver("plan", *asked, "--format", "json"))
    (engine,) = content["engines"]
    assert engine["engine"].startswith(rate.engine)
    return float(3600 * engine["hours"])


def _write_corpus(path: Path, folder: Path, tokens: int, wanted: float) -> tuple[int, int]:
    """Parts of Python's language reference, half to one and a half times the mean: texts, tokens."""
    count_tokens = Embedder(folder).count_tokens
    count = total = 0
    with path.open("w", encoding="utf-8") as stream:
        for text in _parts(tokens):
            stream.write(json.dumps({"text": text}) + "\n")
            count, total = count + 1, total + count_tokens([text])[0] + 1
            if total >= wanted:
                break
    return count, total


def _parts(tokens: int) -> Iterator[str]:
    """Endless: every round begins its parts elsewhere, so that no text comes twice."""
    words = " ".join(topics.topics.values()).split()
    step, position, number = max(1, tokens // 2), 0, 0
    while True:
        length = step * (1 + number % 3) // 2 + step // 2
        yield " ".join(words[position : position + length]) or words[0]
        number += 1
        position += length
        if position >= len(words):
            position = number * 7 % 997


def _quiver(*arguments: object) -> str:
    command = [sys.executable, "-m", "quiver", *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise BenchmarkError("its message stands above")
    return done.stdout


if __name__ == "__main__":
    run(main)

"""Planning: does the planner foresee a run ten times as large as its calibration?

Calibrates (``quiver calibrate``), asks for a plan (``quiver plan``), then runs what was planned:
``quiver embed`` over real texts of about so many tokens, ten times as many tokens as the calibration had. The
whole process counts, from its start to the last vector on disk. All of this several times, each calibration
just before its run: on a machine that others use, only the median means anything.

Fails (exit 1) where the median run takes more than 20 % more or less than was foreseen.
"""

import argparse
import json
import statistics
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
        report, off = _compare(folder, Path(work), options)
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
        "--seconds", type=float, default=5, help="of a calibration; a run takes ten times that"
    )
    parser.add_argument("--repeats", type=int, default=3, help="calibrations, each with its run")
    parser.add_argument("--tokens", type=int, default=200, help="of a text, in the mean")
    parser.add_argument("--dtype", default="auto", help="number format")
    return parser.parse_args()


def _compare(folder: Path, work: Path, options: argparse.Namespace) -> tuple[Report, float]:
    columns = (
        "calibrated on, tokens",
        "run, texts",
        "tokens a text",
        "tokens",
        "foreseen",
        "taken",
        "off by",
    )
    report = Report(f"Planning: {checkpoints.describe(options)}, {options.dtype}", columns)
    offs = []
    for number in range(options.repeats):
        rate = _calibrate(folder, work / f"rates-{number}.json", options)
        found = _run_as_planned(folder, work, work / f"rates-{number}.json", rate, options)
        offs.append(found["off"])
        report.add(
            [
                f"{rate.tokens_measured:,.0f}",
                f"{found['texts']:,}",
                f"{found['tokens'] / found['texts']:,.0f}",
                f"{found['tokens']:,}",
                f"{found['foreseen']:.1f} s",
                f"{found['taken']:.1f} s",
                f"{found['off']:+.1%}",
            ],
            {"calibrated": rate.tokens_measured, **found},
        )
        report.facts["engine"] = f"{rate.engine}, {rate.precision}"
    off = statistics.median(offs)
    report.facts["the plan is off by"] = f"{off:+.1%} in the median"
    report.facts["allowed"] = f"{ALLOWED:.0%}"
    return report, off


def _run_as_planned(
    folder: Path, work: Path, rates: Path, rate: Rate, options: argparse.Namespace
) -> dict[str, Any]:
    corpus = work / "corpus.jsonl"
    count, tokens = _write_corpus(corpus, folder, options.tokens, TIMES * rate.tokens_measured)
    foreseen = _plan(rates, count, tokens / count)
    given = ("--model", folder, "--dtype", options.dtype, "-i", corpus, "-o", work / "vectors.npy", "--quiet")
    begun = time.perf_counter()
    _quiver("embed", *given)
    taken = time.perf_counter() - begun
    off = foreseen / taken - 1
    return {"texts": count, "tokens": tokens, "foreseen": foreseen, "taken": taken, "off": off}


def _calibrate(folder: Path, rates: Path, options: argparse.Namespace) -> Rate:
    given = ("--model", folder, "--dtype", options.dtype, "--seconds", options.seconds, "--rates", rates)
    _quiver("calibrate", *given, "--quiet")
    return read_rates(rates)[0]


def _plan(rates: Path, count: int, tokens: float) -> float:
    """Seconds that one machine is planned to take."""
    asked = ("--documents", count, "--tokens", tokens, "--dim", 256, "--rates", rates)
    content: dict[str, Any] = json.loads(_quiver("plan", *asked, "--format", "json"))
    (engine,) = content["engines"]
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

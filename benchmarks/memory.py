"""Memory and time of large work: a full batch at a token budget of 16,384, then texts of up to 32,768 tokens.

A child process loads the checkpoint, embeds 32 texts of 512 tokens, then ever longer ones. The peak of
resident memory while it does each counts, with everything in it: Python, weights, mapped files, working
memory. Promised: the full batch takes at most 500 MB above the packed weights. Beside it stands how time
grows with length, and how the arithmetic does, of which attention grows with the square.

Costs about 300 TFLOP with all 28 layers (attention is three quarters of it): an hour on two cores without
units for matrices. Working memory does not depend on the number of layers, so ``--layers 4`` shows it in a
seventh of the time.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import checkpoints
from benchmarks.command import BenchmarkError, Report, new_parser, run, write_json
from benchmarks.peak import count_cores
from benchmarks.samples import TextMaker
from benchmarks.work import count_operations, weight_bytes

CHILD_OPTION = "--in-child"

TOKEN_BUDGET, BATCH_LENGTH = 16_384, 512

BATCH = f"a full batch, texts of {BATCH_LENGTH} tokens"

LENGTHS = (4096, 8192, 16_384, 32_768)

MOST_ABOVE_WEIGHTS = 500_000_000


def main() -> int:
    """Make the checkpoint, run the child, judge its peaks."""
    options = _parse()
    if options.in_child:
        print(json.dumps(_embed(options.checkpoint, options.dtype, json.load(sys.stdin))))
        return 0
    with checkpoints.checkpoint(options.checkpoint, "embedding", options) as folder:
        lengths = [length for length in LENGTHS if length <= options.longest]
        measured = _run_child(folder, _make_work(folder, lengths), options)
        weights = weight_bytes(folder, measured["precision"].split("+")[0])
        reports = [_memory(measured, weights), _time(folder, lengths, measured["seconds"])]
    for report in reports:
        report.facts |= {
            "checkpoint": checkpoints.describe(options),
            "precision": measured["precision"],
        }
        report.show()
    write_json(options.json, reports)
    return 0 if reports[0].facts["verdict"] == "within" else 1


def _parse() -> argparse.Namespace:
    parser = new_parser(
        "memory",
        "Peak memory and time of a full batch and of long texts, measured in a child process.",
        "python -m benchmarks.memory --layers 4",
    )
    parser.add_argument("checkpoint", nargs="?", type=Path, help="an embedding model's folder")
    checkpoints.add_options(parser, layers=None)
    parser.add_argument("--dtype", default="bfloat16", help="(default: bfloat16)")
    parser.add_argument("--longest", type=int, choices=LENGTHS, default=LENGTHS[-1], help="tokens of a text")
    parser.add_argument(CHILD_OPTION, action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def _make_work(folder: Path, lengths: Sequence[int]) -> dict[str, list[str]]:
    """Texts by name; made here, since a tokenizer more would count as the child's memory."""
    maker = TextMaker(folder)
    batch = [maker.text(BATCH_LENGTH - 1) for _ in range(TOKEN_BUDGET // BATCH_LENGTH)]
    return {BATCH: batch} | {_one_text(length): [maker.text(length - 1)] for length in lengths}


def _one_text(length: int) -> str:
    return f"one text of {length:,} tokens"


def _run_child(folder: Path, work: Mapping[str, list[str]], options: argparse.Namespace) -> dict[str, Any]:
    child = subprocess.run(
        [sys.executable, "-m", "benchmarks.memory", str(folder), CHILD_OPTION, "--dtype", options.dtype],
        input=json.dumps(work),
        stdout=subprocess.PIPE,
        env=os.environ | {"OMP_NUM_THREADS": str(options.threads or count_cores())},
        text=True,
        check=False,
    )
    if child.returncode:
        raise BenchmarkError(f"the child process ended with status {child.returncode}")
    measured: dict[str, Any] = json.loads(child.stdout.splitlines()[-1])
    return measured


def _embed(folder: Path, dtype: str, work: Mapping[str, list[str]]) -> dict[str, Any]:
    """In the child: peaks by moment, seconds by piece of work."""
    from quiver import Embedder

    peaks, seconds = {"imported": _peak_bytes()}, {}
    embedder = Embedder(folder, dtype=dtype, token_budget=TOKEN_BUDGET)
    peaks["while loading"] = _peak_bytes()
    for name, texts in work.items():
        _forget_peak()
        begun = time.perf_counter()
        embedder.encode_document(texts, show_progress_bar=False)
        seconds[name] = time.perf_counter() - begun
        peaks[name] = _peak_bytes()
    return {"peaks": peaks, "seconds": seconds, "precision": embedder.fingerprint.precision}


def _memory(measured: Mapping[str, Any], weights: int) -> Report:
    report = Report(f"Resident memory, token budget {TOKEN_BUDGET:,}", ["peak", "MB", "above packed weights"])
    for name, peak in measured["peaks"].items():
        above = f"{(peak - weights) / 1e6:,.0f}" if name != "imported" else ""
        report.add([name, f"{peak / 1e6:,.0f}", above], {"moment": name, "peak": peak})
    above_weights = measured["peaks"][BATCH] - weights
    report.facts = {
        "packed weights": f"{weights / 1e6:,.0f} MB",
        "allowed above them in a full batch": f"{MOST_ABOVE_WEIGHTS / 1e6:.0f} MB",
        "verdict": "within" if above_weights <= MOST_ABOVE_WEIGHTS else "EXCEEDED",
    }
    return report


def _time(folder: Path, lengths: Sequence[int], seconds: Mapping[str, float]) -> Report:
    report = Report("Time by length", ["tokens", "seconds", "growth", "growth of the arithmetic"])
    taken = [seconds[_one_text(length)] for length in lengths]
    operations = [count_operations(folder, [length]) for length in lengths]
    for length, time_taken, needed in zip(lengths, taken, operations, strict=True):
        growth, expected = time_taken / taken[0], needed / operations[0]
        record = {"tokens": length, "seconds": time_taken, "operations": needed}
        report.add([f"{length:,}", f"{time_taken:.1f}", f"{growth:.2f}", f"{expected:.2f}"], record)
    return report


def _peak_bytes() -> int:
    """Peak resident memory of this process; getrusage would count the parent's too."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


def _forget_peak() -> None:
    """From here on the peak is the current size (see clear_refs in proc(5))."""
    Path("/proc/self/clear_refs").write_text("5")


if __name__ == "__main__":
    run(main)

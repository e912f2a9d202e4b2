"""Cold start: from the start of a fresh process to the first vector, imports included.

Processes start in turns, and the files are in memory from a first round that does not count. Quiver's
built-in model, Quiver at each precision and sentence-transformers on the same checkpoint; medians count.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks import checkpoints
from benchmarks.command import BenchmarkError, Report, new_parser, run, write_json
from benchmarks.peak import count_cores

QUERY = "What is the capital of China?"

MOMENTS = ("imported", "loaded", "first vector")

QUIVER = """
import json, sys, time
folder, dtype, query = sys.argv[1:]
from quiver import Embedder
moments = [time.monotonic()]
embedder = Embedder(folder or None, dtype=dtype)
moments.append(time.monotonic())
embedder.encode_query(query, show_progress_bar=False)
moments.append(time.monotonic())
print(json.dumps(moments))
"""

SENTENCE_TRANSFORMERS = """
import json, sys, time
folder, dtype, query = sys.argv[1:]
from sentence_transformers import SentenceTransformer
moments = [time.monotonic()]
model = SentenceTransformer(folder, device="cpu", model_kwargs={"dtype": dtype})
moments.append(time.monotonic())
model.encode_query(query, show_progress_bar=False)
moments.append(time.monotonic())
print(json.dumps(moments))
"""

PROGRAMS = {"Quiver": QUIVER, "sentence-transformers": SENTENCE_TRANSFORMERS}

BUILT_IN, INT8 = "Quiver, built-in model", "Quiver int8"

ALLOWED = {BUILT_IN: 0.4, INT8: 1.5}
"""Seconds to the first vector that are promised; int8 of the 0.6B model from its packed cache."""


@dataclass(frozen=True, slots=True)
class Start:
    """What a process runs."""

    library: str
    folder: str
    dtype: str

    def run(self, threads: int) -> tuple[float, ...]:
        """Seconds from the start of a process to each of the moments."""
        environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
        command = [sys.executable, "-c", PROGRAMS[self.library], self.folder, self.dtype, QUERY]
        begun = time.monotonic()  # of the machine, not of the process
        child = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        if child.returncode:
            why = (child.stderr.strip().splitlines() or [""])[-1]
            raise BenchmarkError(f"{self.library} did not start: {why}")
        moments: list[float] = json.loads(child.stdout.splitlines()[-1])
        return tuple(moment - begun for moment in moments)


def main() -> int:
    """Start all in turns."""
    options = _parse()
    with checkpoints.checkpoint(options.checkpoint, "embedding", options) as folder:
        starts = {BUILT_IN: Start("Quiver", "", "auto")}
        for dtype in ("float32", "bfloat16", "int8"):
            starts[f"Quiver {dtype}"] = Start("Quiver", str(folder), dtype)
        for dtype in ("float32", "bfloat16"):
            starts[f"sentence-transformers {dtype}"] = Start("sentence-transformers", str(folder), dtype)
        report = measure(starts, options.threads or count_cores(), options.rounds)
    report.facts["checkpoint"] = checkpoints.describe(options)
    report.show()
    write_json(options.json, [report])
    return 0


def _parse() -> argparse.Namespace:
    parser = new_parser(
        "cold_start",
        "Time from the start of a process to its first vector.",
        "python -m benchmarks.cold_start --layers 4",
    )
    parser.add_argument("checkpoint", nargs="?", type=Path, help="an embedding model's folder")
    checkpoints.add_options(parser, layers=None)
    parser.add_argument("--rounds", type=int, default=5, help="processes of each (default: 5)")
    return parser.parse_args()


def measure(starts: Mapping[str, Start], threads: int, rounds: int) -> Report:
    """Medians of every moment."""
    taken: dict[str, list[tuple[float, ...]]] = {name: [] for name in starts}
    for counts in [False] + [True] * rounds:
        for name, start in starts.items():
            moments = start.run(threads)
            taken[name] += [moments] * counts
    report = Report("Seconds from the start of a process", ["process", *MOMENTS, "allowed"])
    for name, each in taken.items():
        medians = [statistics.median(values) for values in zip(*each, strict=True)]
        allowed = ALLOWED.get(name)
        verdict = "" if allowed is None else f"{allowed} ({'kept' if medians[-1] <= allowed else 'EXCEEDED'})"
        record = {"process": name, "allowed": allowed} | dict(zip(MOMENTS, medians, strict=True))
        report.add([name, *(f"{value:.2f}" for value in medians), verdict], record)
    report.facts = {"rounds": rounds, "threads": threads}
    return report


if __name__ == "__main__":
    run(main)

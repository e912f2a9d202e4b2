"""Endurance: a hundred thousand calls, and memory stays flat.

Calls of the built-in model differ in the number and lengths of their texts, in the token budget and in
whether they share a prefix. Resident memory is sampled all along; what a line through the samples rises by
and how far apart they lie after a first fifth of warming up tell whether anything is kept that should not be.
"""

import argparse
import random
import resource
from pathlib import Path

import numpy as np

from benchmarks.command import Report, new_parser, run, write_json
from benchmarks.samples import INSTRUCTIONS, WORDS
from quiver import Embedder

BUDGETS = (64, 512, 4096)
"""Token budgets of the embedders that take turns."""

LONGEST = 100
"""Words of a text."""

SAMPLES = 500

WARM_UP = SAMPLES // 5

MOST_RISE, MOST_SPREAD = 4 << 20, 16 << 20
"""Bytes that count as flat: of the line over all calls, and between the samples. Two huge pages; what keeps a
hundred bytes of each of 100,000 calls rises by more."""


def main() -> int:
    """Call and judge."""
    options = _parse()
    caller = _Caller()
    resident: list[int] = []
    for _ in range(SAMPLES):
        for _ in range(options.calls // SAMPLES):
            caller.call()
        resident.append(resident_bytes())
    report = judge(resident)
    report.add(["peak", f"{peak_bytes() / 2**20:.2f}"], {"peak": peak_bytes()})
    report.facts["calls"] = f"{options.calls:,} with {caller.texts:,} texts, {caller.tokens:,} tokens"
    report.show()
    write_json(options.json, [report])
    return 0 if report.facts["verdict"] == "flat" else 1


def _parse() -> argparse.Namespace:
    parser = new_parser("endurance", "Watch memory over many calls.", "python -m benchmarks.endurance")
    parser.add_argument("--calls", type=int, default=100_000, help="(default: 100,000)")
    return parser.parse_args()


class _Caller:
    """Makes calls that differ; repeatable."""

    def __init__(self) -> None:
        self._random = random.Random(0)
        self._embedders = [Embedder(token_budget=budget) for budget in BUDGETS]
        self.texts = self.tokens = 0

    def call(self) -> None:
        """One call of one embedder."""
        embedder = self._random.choice(self._embedders)
        texts = [self._text() for _ in range(self._random.choice((1, 1, 1, 2, 8)))]
        instruction = self._random.choice((None, *INSTRUCTIONS))
        if instruction is None:
            vectors = embedder.encode_document(texts, show_progress_bar=False)
        else:
            vectors = embedder.encode_query(texts, instruction=instruction, show_progress_bar=False)
        self.texts += len(texts)
        self.tokens += vectors.usage.tokens_in

    def _text(self) -> str:
        words = round(LONGEST ** self._random.random())
        return " ".join(self._random.choices(WORDS, k=words))


def judge(resident: list[int]) -> Report:
    """The slope and the spread after warming up."""
    steady = np.asarray(resident[WARM_UP:], np.float64)
    slope = float(np.polyfit(np.arange(len(steady)), steady, 1)[0])
    rise, spread = slope * len(steady), float(steady.max() - steady.min())
    flat = rise <= MOST_RISE and spread <= MOST_SPREAD
    report = Report("Resident memory over many calls", ["measure", "MiB"])
    rows = {
        "after warming up": steady[0],
        "at the end": steady[-1],
        "rise of the line through all samples": rise,
        "greatest less least": spread,
    }
    for name, value in rows.items():
        report.add([name, f"{value / 2**20:.2f}"], {name: value})
    report.records.append({"resident": resident})
    report.facts = {"verdict": "flat" if flat else "NOT FLAT"}
    return report


def resident_bytes(process: int | str = "self") -> int:
    """Of a process, now."""
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * resource.getpagesize()


def peak_bytes() -> int:
    """Of this process, ever."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    run(main)

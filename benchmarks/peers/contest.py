"""The contest: who takes part, their processes, and the turns they take."""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import tokenizers

from benchmarks.command import BenchmarkError
from benchmarks.peers.worker import Text, Vectors

LIBRARIES: Mapping[str, tuple[str, Sequence[str]]] = {
    "quiver": ("Quiver", ("float32", "bfloat16", "int8")),
    "sentence_transformers": ("sentence-transformers", ("bfloat16", "float32")),
    "transformers": ("transformers", ("bfloat16", "float32")),
    "llama_cpp": ("llama.cpp", ("float32", "bfloat16", "int8")),
    "openvino": ("OpenVINO", ("float32", "bfloat16", "int8")),
    "vllm": ("vLLM", ("float32", "bfloat16")),
}
"""By module of this folder: the library's name and the precisions it takes part with."""

REFERENCE = "Quiver float32"
"""Whose vectors the others' are compared with."""


class Absent(Exception):
    """The contestant does not take part; the message says why."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What one call gave."""

    seconds: float
    vectors: Vectors


class Contestant:
    """A library at one precision, in a process of its own."""

    def __init__(self, library: str, precision: str, folder: Path, threads: int, python: str) -> None:
        self.library, self.precision = library, precision
        self._said = tempfile.TemporaryFile("w+", prefix="quiver-contestant-")
        self._process = subprocess.Popen(
            [python, "-m", "benchmarks.peers.worker", library, str(folder), precision, str(threads)],
            env=os.environ | {"OMP_NUM_THREADS": str(threads), "TOKENIZERS_PARALLELISM": "false"},
            cwd=Path(__file__).parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
        )
        ready = self._read()
        if "version" not in ready:
            self.close()
            raise Absent(ready.get("absent") or f"failed: {ready['failed']}")
        self.version: str = ready["version"]
        self.batch_sizes: list[int] = ready["batch_sizes"]

    def encode(self, texts: Sequence[Text], batch_size: int) -> Turn:
        """Let it encode; seconds are its own."""
        request = {"texts": [{"text": t.text, "ids": t.ids} for t in texts], "batch_size": batch_size}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer = self._read()
        return Turn(answer["seconds"], np.asarray(answer["vectors"], np.float32))

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if line:
            answer: dict[str, Any] = json.loads(line)
            return answer
        status = self._process.wait()
        self._said.seek(0)
        last = (self._said.read().strip().splitlines() or [""])[-1]
        raise Absent(f"its process ended with status {status}: {last}")

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()
        self._said.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@dataclass(slots=True)
class Contest:
    """Who takes part, who does not and why."""

    contestants: dict[str, Contestant] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)

    def choose_batch_sizes(self, texts: Sequence[Text]) -> dict[str, int]:
        """Each contestant's fastest on these texts; those that fail are absent.

        Some libraries compile kernels when they first meet a shape, so a second time counts, unless the
        first was twice as long as the best.
        """
        chosen: dict[str, int] = {}
        for name, contestant in list(self.contestants.items()):
            try:
                first = {size: contestant.encode(texts, size).seconds for size in contestant.batch_sizes}
                hopeful = [size for size, seconds in first.items() if seconds <= 2 * min(first.values())]
                again = {size: contestant.encode(texts, size).seconds for size in hopeful}
            except Absent as reason:
                self.absent[name] = str(reason)
                del self.contestants[name]
                continue
            chosen[name] = min(again, key=lambda size: again[size])
        return chosen

    def take_turns(
        self, texts: Sequence[Text], batch_sizes: Mapping[str, int], rounds: int
    ) -> dict[str, list[Turn]]:
        """Each contestant's turns, one a round."""
        turns: dict[str, list[Turn]] = {name: [] for name in self.contestants}
        for _ in range(rounds):
            for name, contestant in self.contestants.items():
                turns[name].append(contestant.encode(texts, batch_sizes[name]))
        return turns

    def facts(self) -> dict[str, str]:
        """Versions, memory left beside all contestants, and who was absent."""
        versions = {LIBRARIES[c.library][0]: c.version for c in self.contestants.values()}
        stated = {"versions": ", ".join(f"{name} {version}" for name, version in versions.items())}
        stated["memory left"] = f"{_memory_left() / 1e9:.1f} GB"
        return stated | {f"{name} did not run": reason for name, reason in self.absent.items()}


def _memory_left() -> int:
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))


def median_seconds(turns: Sequence[Turn]) -> float:
    """The middle of the turns."""
    return statistics.median(turn.seconds for turn in turns)


def verdicts(seconds: Mapping[str, float]) -> dict[str, str]:
    """Quiver against the fastest other library at each precision, and its int8 against its bfloat16."""
    stated: dict[str, str] = {}
    for precision in ("float32", "bfloat16", "int8"):
        others = [name for name in seconds if name.endswith(precision) and not name.startswith("Quiver")]
        ours = seconds.get(f"Quiver {precision}")
        if ours and others:
            best = min(others, key=lambda name: seconds[name])
            stated[f"Quiver {precision}"] = f"{seconds[best] / ours:.2f} times as fast as {best}"
    if {"Quiver int8", "Quiver bfloat16"} <= seconds.keys():
        ratio = seconds["Quiver bfloat16"] / seconds["Quiver int8"]
        stated["int8"] = f"{ratio:.2f} times as fast as Quiver bfloat16"
    return stated


def least_cosine(turns: Sequence[Turn], reference: Sequence[Turn]) -> float:
    """The smallest cosine between the same texts' vectors."""
    return float((turns[0].vectors * reference[0].vectors).sum(axis=1).min())


@contextmanager
def open_contest(folder: Path, threads: int, options: argparse.Namespace) -> Iterator[Contest]:
    """Start the contestants that the options name, one after another."""
    pythons = _pythons(options.python)
    with ExitStack() as running:
        contest = Contest()
        for library, (title, precisions) in LIBRARIES.items():
            for precision in precisions:
                if library not in options.libraries or precision not in options.precisions:
                    continue
                python = pythons.get(library, sys.executable)
                try:
                    contestant = Contestant(library, precision, folder, threads, python)
                except Absent as reason:
                    contest.absent[f"{title} {precision}"] = str(reason)
                    continue
                contest.contestants[f"{title} {precision}"] = running.enter_context(contestant)
        yield contest


def add_options(parser: argparse.ArgumentParser) -> None:
    """Who takes part, and where they live."""
    parser.add_argument("--libraries", nargs="+", choices=LIBRARIES, default=list(LIBRARIES))
    parser.add_argument(
        "--precisions",
        nargs="+",
        choices=("float32", "bfloat16", "int8"),
        default=["float32", "bfloat16", "int8"],
    )
    parser.add_argument(
        "--python",
        action="append",
        default=[],
        metavar="LIBRARY=PATH",
        help="the Python of the virtual environment in which a library is installed (default: this one)",
    )


def _pythons(given: Sequence[str]) -> dict[str, str]:
    pythons = dict(each.split("=", 1) for each in given if "=" in each)
    if len(pythons) < len(given) or not pythons.keys() <= LIBRARIES.keys():
        raise BenchmarkError(f"--python takes LIBRARY=PATH, once for each of {', '.join(LIBRARIES)}")
    return pythons


def tokenized(folder: Path, texts: Sequence[str]) -> list[Text]:
    """Texts with their sequences by the checkpoint's tokenizer, which appends the end token."""
    tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    return [Text(text, tokenizer.encode(text).ids) for text in texts]

"""Calibrate: measure an engine on this machine, with texts of several lengths."""

import os
import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from quiver.embedder import Embedder
from quiver.errors import InputError
from quiver.planning.rates import Point, Rate, Shape

LENGTHS = (16, 64, 256, 1024)
"""Words of the texts, about as many tokens."""
ROUNDS = 5
PILOT_WORDS = 2048
WORDS = (
    "the of and to in a is that for it as was with be by on not he his but at are this have from or had an "
    "they which one you were all her she there would their we him been has when who will no more if out so "
    "up said what its about than into them can only other time new some could these two may first then do "
    "any like my now over such our man me even most made after also well many must before back see through "
    "way where get much go good day people life world work water place house number system order"
).split()


def calibrate(
    open_embedder: Callable[[], Embedder],
    *,
    model: str,
    seconds: float,
    lengths: Sequence[int] = LENGTHS,
    say: Callable[[str], None] = lambda message: None,
) -> Rate:
    """Open an embedder and measure it for about so many seconds.

    Lengths take turns, and the median of each counts: what else runs there disturbs some rounds only.
    Raises InputError for less than one length.
    """
    if not lengths or min(lengths) < 1 or seconds <= 0:
        raise InputError("a calibration needs lengths of at least one token, and some seconds")
    begun = time.perf_counter()
    embedder = open_embedder()
    embedder.encode_document("Ready?")
    start = time.perf_counter() - begun
    points = _measure(embedder, lengths, seconds)
    for point in points:
        say(f"{point.tokens:,.0f} tokens a text: {point.tokens / point.seconds:,.0f} tokens a second")
    return Rate(
        engine=embedder.device,
        precision=embedder.precision,
        model=model,
        machine=machine(),
        shape=_shape(embedder),
        start_seconds=start,
        memory_bytes=_peak_memory(),
        points=tuple(points),
    )


def machine() -> str:
    """The processor's name and how many of its cores this process may use."""
    name = ""
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        name = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")
    return f"{name or sys.platform}, {_cores()} cores"


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _shape(embedder: Embedder) -> Shape | None:
    try:
        return Shape.of(embedder.checkpoint.config)
    except InputError:
        return None


@dataclass(slots=True)
class _Length:
    """What was measured with texts of one length, round by round."""

    words: int
    count: int
    """Texts of a round."""
    seconds: list[float] = field(default_factory=list)
    """Of one text."""
    tokens: int = 0


def _measure(embedder: Embedder, lengths: Sequence[int], seconds: float) -> list[Point]:
    """Every length once a round; a first, small round says how many texts the time allows."""
    maker = random.Random(0)
    share = seconds / ROUNDS / len(lengths)
    measured = []
    for words in lengths:
        pilot, _ = _run(embedder, max(1, PILOT_WORDS // words), words, maker)
        measured.append(_Length(words, max(1, round(share / pilot))))
    for _ in range(ROUNDS):
        for each in measured:
            taken, tokens = _run(embedder, each.count, each.words, maker)
            each.seconds.append(taken)
            each.tokens += tokens
    return [_point(each) for each in measured]


def _point(measured: _Length) -> Point:
    texts = ROUNDS * measured.count
    return Point(measured.tokens / texts, texts, statistics.median(measured.seconds))


def _run(embedder: Embedder, count: int, length: int, maker: random.Random) -> tuple[float, int]:
    """Seconds a text, and tokens of all; no two texts begin alike, so that none is spared."""
    texts = [" ".join(maker.choices(WORDS, k=length)) for _ in range(count)]
    begun = time.perf_counter()
    usage = embedder.encode_document(texts, show_progress_bar=False).usage
    return (time.perf_counter() - begun) / count, usage.tokens_in


def _peak_memory() -> int:
    try:
        import resource
    except ImportError:  # on Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024

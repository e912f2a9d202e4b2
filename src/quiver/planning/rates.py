"""Rates: how long an engine takes for a text of so many tokens, as it was measured, and where."""

import itertools
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from quiver.errors import InputError
from quiver.models.config import ModelConfig
from quiver.whole_file import write_whole

VERSION = 1


@dataclass(frozen=True, slots=True)
class Shape:
    """What of a model decides its arithmetic."""

    layers: int
    hidden_size: int
    intermediate_size: int
    query_size: int
    key_value_size: int
    vocabulary: int
    causal: bool = True

    @classmethod
    def of(cls, config: ModelConfig) -> "Shape":
        """The shape of a checkpoint."""
        return cls(
            config.layers,
            config.hidden_size,
            config.intermediate_size,
            config.query_size,
            config.key_value_size,
            config.vocabulary,
            config.causal,
        )

    def operations(self, tokens: float) -> float:
        """Multiply-adds for one text of so many tokens, head and embedding table aside."""
        attended = tokens * (tokens + 1) / 2 if self.causal else tokens**2
        return self.layers * (tokens * self._layer_weights + 2 * attended * self.query_size)

    @property
    def weights(self) -> int:
        """Numbers in the model, the embedding table included."""
        return self.layers * self._layer_weights + self.vocabulary * self.hidden_size

    @property
    def _layer_weights(self) -> int:
        projections = self.hidden_size * (2 * self.query_size + 2 * self.key_value_size)
        return projections + 3 * self.hidden_size * self.intermediate_size


@dataclass(frozen=True, slots=True)
class Point:
    """One length: so many texts of so many tokens each, in the median, took so many seconds each."""

    tokens: float
    """Of a text, with its end token."""
    texts: int
    """All that were embedded at this length."""
    seconds: float
    """Of one text."""


@dataclass(frozen=True, kw_only=True)
class Rate:
    """A calibration: one engine with one model on one machine."""

    engine: str
    """Such as ``cpu (native, avx2, 2 threads)``."""
    precision: str
    model: str
    machine: str
    shape: Shape | None
    """None for a server's model."""
    start_seconds: float
    """From nothing to the first vector."""
    memory_bytes: int
    """Most that the process held."""
    points: tuple[Point, ...]

    @property
    def tokens_measured(self) -> float:
        """Tokens of the whole calibration."""
        return sum(point.tokens * point.texts for point in self.points)

    @property
    def lengths(self) -> tuple[float, float]:
        """Shortest and longest texts that were measured, in tokens."""
        lengths = [point.tokens for point in self.points]
        return min(lengths), max(lengths)

    @cached_property
    def _curve(self) -> tuple[float, float, float]:
        return fit_curve([point.tokens for point in self.points], [point.seconds for point in self.points])

    def seconds_of_text(self, tokens: float) -> float:
        """Seconds for one text of so many tokens, by the fitted curve."""
        base, linear, square = self._curve
        return base + linear * tokens + square * tokens**2


def fit_curve(tokens: Sequence[float], seconds: Sequence[float]) -> tuple[float, float, float]:
    """Coefficients of base + linear * n + square * n^2, none below 0, with the least relative error.

    A text costs something by itself, its tokens pass the layers, and each attends to all before it. With
    three coefficients at most, trying which of them are 0 is the exact solution.
    """
    n, s = np.asarray(tokens, np.float64), np.asarray(seconds, np.float64)
    columns = np.stack([np.ones_like(n), n, n**2], axis=1) / s[:, None]
    best, least = np.zeros(3), np.inf
    for count in range(1, 4):
        for chosen in itertools.combinations(range(3), min(count, 3)):
            found = np.zeros(3)
            found[list(chosen)] = np.linalg.lstsq(columns[:, chosen], np.ones_like(s), rcond=None)[0]
            error = float(np.square(columns @ found - 1).sum())
            if found.min() >= 0 and error < least:
                best, least = found, error
    base, linear, square = map(float, best)
    return base, linear, square


def read_rates(path: Path) -> list[Rate]:
    """Calibrations of a file; raises InputError if it is absent or none of ours."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["version"] != VERSION:
            raise InputError(f"{path} was written by another version of Quiver; calibrate again")
        return [_rate(each) for each in content["rates"]]
    except FileNotFoundError:
        raise InputError(f"there are no measured rates in {path}; run `quiver calibrate` first") from None
    except (OSError, ValueError, TypeError, LookupError, AttributeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} holds no rates of `quiver calibrate`: {error}") from None


def add_rate(path: Path, rate: Rate) -> None:
    """Write a calibration into a file, in the place of one of the same engine, model and machine."""
    kept = read_rates(path) if path.exists() else []
    kept = [each for each in kept if _key(each) != _key(rate)]
    content = {"version": VERSION, "rates": [asdict(each) for each in (*kept, rate)]}
    write_whole(path, [json.dumps(content, indent=2, ensure_ascii=False), "\n"])


def _rate(given: dict[str, Any]) -> Rate:
    shape = None if given["shape"] is None else Shape(**given["shape"])
    points = tuple(Point(**point) for point in given["points"])
    rate = Rate(**{**given, "shape": shape, "points": points})
    numbers = [
        rate.start_seconds,
        rate.memory_bytes,
        *(value for p in points for value in asdict(p).values()),
    ]
    if not points or not all(isinstance(value, int | float) and value >= 0 for value in numbers):
        raise ValueError("a rate without points, or with numbers that are none")
    return rate


def _key(rate: Rate) -> tuple[str, ...]:
    return rate.engine, rate.precision, rate.model, rate.machine

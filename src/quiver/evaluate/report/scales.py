"""Scales: from the numbers of an axis to places on the paper, between round bounds."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from quiver.evaluate.report.charts import Axis

TICKS = 5
"""About how many an axis has."""
ROUND = (1.0, 2.0, 5.0)
"""What round numbers begin with."""


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps numbers to places from ``start`` to ``end``."""

    axis: Axis
    low: float
    high: float
    ticks: Sequence[float]
    start: float
    end: float

    def place(self, value: float) -> float:
        """Where a number lies."""
        low, high, at = map(self._linear, (self.low, self.high, value))
        return self.start + (at - low) / (high - low) * (self.end - self.start)

    def text(self, tick: float) -> str:
        """A number as the axis writes it."""
        if self.axis.form:
            return format(tick, self.axis.form)
        step = min(abs(next_ - one) for one, next_ in pairwise(self.ticks))
        if self.axis.logarithmic:
            step = tick
        return f"{tick:,.{max(0, -math.floor(math.log10(step) + 1e-9))}f}"

    @property
    def _linear(self) -> Callable[[float], float]:
        return math.log if self.axis.logarithmic else float


def make_scale(axis: Axis, values: Iterable[float], start: float, end: float) -> Scale:
    """A scale that holds all values, and the axis's own ticks if it has some."""
    known = [*values, *axis.ticks] or [0.0, 1.0]
    low, high = min(known), max(known)
    if axis.logarithmic:
        ticks = list(axis.ticks) or _round_powers(low, high)
        margin = 1.15 if axis.ticks else 1.0
        return Scale(axis, min(low, ticks[0]) / margin, max(high, ticks[-1]) * margin, ticks, start, end)
    ticks = list(axis.ticks) or _round_steps(*_spread(low, high, axis.least_span))
    return Scale(axis, min(low, ticks[0]), max(high, ticks[-1]), ticks, start, end)


def _spread(low: float, high: float, least: float) -> tuple[float, float]:
    """Bounds that far apart at least, around the same middle."""
    more = max(0.0, least, 1e-6 * max(abs(low), abs(high), 1.0)) - (high - low)
    return (low - more / 2, high + more / 2) if more > 0 else (low, high)


def _round_steps(low: float, high: float) -> list[float]:
    """Multiples of a round step that enclose the numbers."""
    step = _round_up((high - low) / TICKS)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [number * step for number in range(first, last + 1)]


def _round_powers(low: float, high: float) -> list[float]:
    """1, 2, 5, 10, 20 ... around the numbers; over many decades 1, 10, 100 alone."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    firsts = ROUND if last - first <= 3 else (1.0,)
    powers = [start * 10.0**power for power in range(first, last + 1) for start in firsts]
    below = max(power for power in powers if power <= low * (1 + 1e-9))
    above = min((power for power in powers if power >= high * (1 - 1e-9)), default=powers[-1])
    found = [power for power in powers if below <= power <= above]
    return found if len(found) > 1 else [below, 2 * below]


def _round_up(number: float) -> float:
    """The next round number."""
    power = 10.0 ** math.floor(math.log10(number))
    return next(start * power for start in (*ROUND, 10.0) if start * power >= number * (1 - 1e-9))

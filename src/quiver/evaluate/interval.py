"""Interval: a number, and where it lies were the queries drawn again."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean (or a difference of means) and the ends between which most of its resamples lie."""

    mean: float
    low: float
    high: float

    def __format__(self, form: str) -> str:
        """Mean and both ends, each in the given form."""
        ends = f"{format(self.low, form)} to {format(self.high, form)}"
        return f"{format(self.mean, form)} ({ends})"

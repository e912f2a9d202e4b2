"""Halves: a setting chosen on half of the queries is judged on the other half, which knows nothing of it.

What is best among many on some queries is there partly by luck; on other queries the luck is gone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from quiver.evaluate.interval import Interval

Values = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]
Pick = Callable[[Indices], int]
"""Chooses a setting by what it does on some queries."""

SEED = 42
HALVINGS = 100
RESAMPLES = 9999
CONFIDENCE = 0.95
ONE_SIDED = 1.645
"""Standard errors of a bound that holds in 95 % of cases."""
BOUND = 0.9
"""Confidence of an interval whose ends, each alone, are such bounds."""
FEWEST_QUERIES = 20
"""With fewer, a resampled interval promises more than it holds."""
POWER_AND_LEVEL = 1.96 + 0.84
"""Standard errors by which an effect must exceed zero to be found four times out of five."""


@dataclass(frozen=True, slots=True)
class Checked:
    """A choice on one half and its check on the other."""

    chosen: int
    gain: Interval
    """Of the chosen setting over the default, on the half that had no part in the choice."""
    repeated: float
    """Share of other random halves on which the choice would be the same."""
    checked_on: int
    """Queries of the second half."""
    queries_needed: int
    """About as many labelled queries as would tell an effect of the size seen from none."""


def choose_and_check(values: Values, pick: Pick, default: int) -> Checked:
    """Choose among settings by the values [S, Q] of the queries and check the choice.

    ``pick`` is given the positions of some queries and returns a setting.
    """
    first, second = halve(values.shape[1])
    chosen = pick(first)
    change = values[chosen] - values[default]
    return Checked(
        chosen=chosen,
        gain=interval(change[second]),
        repeated=share_repeated(pick, values.shape[1], chosen),
        checked_on=len(second),
        queries_needed=queries_needed(change),
    )


def halve(count: int, seed: int = SEED) -> tuple[Indices, Indices]:
    """The positions of ``count`` queries in two random halves."""
    order = np.random.default_rng(seed).permutation(count)
    return np.sort(order[: count // 2]), np.sort(order[count // 2 :])


def share_repeated(pick: Pick, count: int, chosen: int) -> float:
    """How often a choice comes out again on random halves of the queries."""
    again = [pick(halve(count, SEED + 1 + number)[0]) == chosen for number in range(HALVINGS)]
    return sum(again) / HALVINGS


def interval(values: Values, confidence: float = CONFIDENCE) -> Interval:
    """The mean of values [Q] with its bootstrap interval over the queries."""
    return resampled([values], np.mean, confidence)


def resampled(
    samples: Sequence[Values], statistic: Callable[..., object], confidence: float = CONFIDENCE
) -> Interval:
    """A statistic of samples [Q], the same queries in each, with its bootstrap interval over the queries."""
    from scipy.stats import bootstrap

    value = float(np.asarray(statistic(*samples, axis=-1)))
    if len(samples[0]) < 2 or all(np.ptp(sample) == 0 for sample in samples):
        return Interval(value, value, value)
    found = bootstrap(
        samples,
        statistic,
        paired=True,
        vectorized=True,
        n_resamples=RESAMPLES,
        batch=1000,
        confidence_level=confidence,
        method="percentile",
        rng=np.random.default_rng(SEED),
    ).confidence_interval
    return Interval(value, float(found.low), float(found.high))


def queries_needed(change: Values, effect: float | None = None) -> int:
    """Labelled queries whose second half would tell an effect from none; by default the effect seen."""
    size = abs(float(np.mean(change))) if effect is None else abs(effect)
    spread = float(np.std(change))
    if size <= 1e-9 or spread <= 1e-9:
        return 0
    return round(2 * (POWER_AND_LEVEL * spread / size) ** 2)


def standard_error(change: Values) -> float:
    """Of the mean of values [Q]."""
    return float(np.std(change, ddof=1) / np.sqrt(len(change))) if len(change) > 1 else float("inf")

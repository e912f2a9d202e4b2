"""Rotary position embedding: frequencies for the default, linear and YaRN forms (arXiv 2309.00071)."""

import math

import numpy as np
import numpy.typing as npt

from quiver.models.config import ModelConfig, RopeConfig


def inverse_frequencies(config: ModelConfig) -> npt.NDArray[np.float32]:
    """[D / 2] radians per position of each pair of channels."""
    rope, size = config.rope, config.head_dim
    exponents = np.arange(0, size, 2, dtype=np.float32) / np.float32(size)
    frequencies = (1.0 / np.power(np.float32(rope.theta), exponents)).astype(np.float32)
    if rope.kind == "linear":
        frequencies /= np.float32(rope.factor)
    elif rope.kind == "yarn":
        kept = 1.0 - _ramp(*_correction_range(rope, size), size // 2)
        frequencies = frequencies * kept + frequencies / np.float32(rope.factor) * (1.0 - kept)
    result: npt.NDArray[np.float32] = frequencies.astype(np.float32)
    return result


def rotation_scale(rope: RopeConfig) -> float:
    """Factor on cos and sin: YaRN's attention temperature, 1 otherwise."""
    if rope.kind != "yarn":
        return 1.0
    if rope.attention_factor is not None:
        return rope.attention_factor
    return 1.0 if rope.factor <= 1 else 0.1 * math.log(rope.factor) + 1.0


def _correction_range(rope: RopeConfig, size: int) -> tuple[int, int]:
    """Channels between which YaRN goes over from keeping a frequency to stretching it."""

    def channel(rotations: float) -> float:
        wavelength = rope.original_length / (rotations * 2 * math.pi)
        return size * math.log(wavelength) / (2 * math.log(rope.theta))

    low, high = math.floor(channel(rope.beta_fast)), math.ceil(channel(rope.beta_slow))
    return max(low, 0), min(high, size - 1)


def _ramp(low: int, high: int, count: int) -> npt.NDArray[np.float32]:
    span = max(high - low, 0.001)
    rising = (np.arange(count, dtype=np.float32) - low) / span
    ramp: npt.NDArray[np.float32] = np.clip(rising, 0.0, 1.0).astype(np.float32)
    return ramp

"""Work: the arithmetic and the bytes that a vector cannot be had without."""

from collections.abc import Sequence
from pathlib import Path

from quiver.models.config import ModelConfig, read_config

WEIGHT_BYTES = {"float32": 4, "bfloat16": 2, "int8": 1}
"""Of one weight of a matrix, by precision."""


def count_operations(folder: Path, lengths: Sequence[int]) -> int:
    """What these texts' vectors need; in the last layer, keys and values of all rows and the rest of one."""
    config = read_config(folder)
    tokens, attended = sum(lengths), sum(map(config.attended, lengths))
    unneeded_rows, unneeded_pairs = tokens - len(lengths), attended - tokens
    row = _layer_weights(config) - 2 * config.hidden_size * config.key_value_size
    return config.flops(tokens, attended) - 2 * (unneeded_rows * row + unneeded_pairs * 2 * config.query_size)


def weight_bytes(folder: Path, precision: str) -> int:
    """Of all layers' matrices; norms and scales are small, and of the embedding only some rows are read."""
    config = read_config(folder)
    return config.layers * _layer_weights(config) * WEIGHT_BYTES[precision]


def _layer_weights(config: ModelConfig) -> int:
    projections = config.hidden_size * (2 * config.query_size + 2 * config.key_value_size)
    return projections + 3 * config.hidden_size * config.intermediate_size

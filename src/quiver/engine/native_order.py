"""Order: which weight goes where in the matrices of the native engine.

Query, key and value projections become one matrix; gate and up another, whose panels alternate. A head takes
a whole number of panels: its two halves, which rotary embedding pairs, are filled up to 16 channels each.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from quiver.engine.base import Floats
from quiver.models.config import ModelConfig

Order = npt.NDArray[np.int32]

PANEL = 16
INPUT_MULTIPLE = 64


@dataclass(frozen=True, slots=True)
class MatrixOrder:
    """What a packed matrix takes from a layer's tensors."""

    name: str
    tensors: tuple[str, ...]
    source: Order
    """[N] which of the tensors an output comes from"""
    row: Order
    """[N] and which of its rows; -1 means zeros"""
    column: Order
    """[K] which column an input is; -1 means zeros"""
    before: str
    """The norm or the matrix that its inputs come from"""
    origin: Order
    """[K] which channel of that norm, or output of that matrix, an input is; -1 means none"""


def matrix_orders(config: ModelConfig) -> tuple[MatrixOrder, ...]:
    """Queries, keys and values; attention's output; gate and up; down."""
    head, value = head_order(config), _value_order(config)
    qkv = (
        _heads(head, config.query_heads),
        _heads(head, config.key_value_heads),
        _heads(value, config.key_value_heads),
    )
    hidden, outputs = filled(config.hidden_size, INPUT_MULTIPLE), filled(config.hidden_size, PANEL)
    blocks = filled(config.intermediate_size, PANEL).reshape(-1, PANEL)
    gate_up = np.repeat(blocks, 2, axis=0).reshape(-1)
    from_one = np.zeros(len(outputs), np.int32)
    values = np.arange(len(qkv[0]) + len(qkv[1]), sum(map(len, qkv))).reshape(-1, len(value))
    shared = values.repeat(config.query_heads // config.key_value_heads, axis=0).reshape(-1)
    ups = np.arange(len(gate_up)).reshape(-1, 2, PANEL)[:, 1].reshape(-1)
    return (
        MatrixOrder(
            "qkv",
            ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
            np.repeat(np.arange(3, dtype=np.int32), [len(part) for part in qkv]),
            np.concatenate(qkv),
            hidden,
            "input_layernorm",
            hidden,
        ),
        MatrixOrder(
            "out",
            ("self_attn.o_proj",),
            from_one,
            outputs,
            _fill(_heads(value, config.query_heads), INPUT_MULTIPLE),
            "qkv",
            _fill(shared, INPUT_MULTIPLE),
        ),
        MatrixOrder(
            "gate_up",
            ("mlp.gate_proj", "mlp.up_proj"),
            np.tile(np.repeat(np.arange(2, dtype=np.int32), PANEL), len(blocks)),
            gate_up,
            hidden,
            "post_attention_layernorm",
            hidden,
        ),
        MatrixOrder(
            "down",
            ("mlp.down_proj",),
            from_one,
            outputs,
            filled(config.intermediate_size, INPUT_MULTIPLE),
            "gate_up",
            _fill(ups, INPUT_MULTIPLE),
        ),
    )


def _fill(order: npt.NDArray[np.int64] | Order, multiple: int) -> Order:
    """The order with zeros (-1) at the end, up to a multiple."""
    longer = np.full(-len(order) % multiple + len(order), -1, np.int32)
    longer[: len(order)] = order
    return longer


def filled(size: int, multiple: int) -> Order:
    """Channels in their own order, with zeros (-1) up to a multiple."""
    return _fill(np.arange(size), multiple)


def in_order(values: Floats, order: Order) -> Floats:
    """The values in that order, zeros where it is -1."""
    ordered: Floats = np.where(order < 0, np.float32(0), values[np.maximum(order, 0)]).astype(np.float32)
    return ordered


def head_order(config: ModelConfig) -> Order:
    """Channels of a query or key head: each half filled up to panels."""
    half = config.head_dim // 2
    return np.concatenate([filled(half, PANEL), _shift(filled(half, PANEL), half)])


def _value_order(config: ModelConfig) -> Order:
    """Channels of a value head, as wide as the others."""
    channels = np.full(len(head_order(config)), -1, np.int32)
    channels[: config.head_dim] = np.arange(config.head_dim)
    return channels


def _heads(order: Order, heads: int) -> Order:
    """The same order for every head."""
    size = int(order.max()) + 1
    return np.concatenate([_shift(order, head * size) for head in range(heads)])


def _shift(order: Order, offset: int) -> Order:
    shifted: Order = np.where(order < 0, -1, order + offset).astype(np.int32)
    return shifted

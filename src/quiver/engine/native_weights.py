"""Weights for the native engine: mapped from safetensors, checked, and packed into panels.

Query, key and value projections become one matrix; gate and up another, whose panels alternate. A head takes
a whole number of panels: its two halves, which rotary embedding pairs, are filled up to 16 channels each. How
a packed matrix lies in memory is drawn in ``native/layout.hpp``.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from quiver import _native
from quiver.engine.base import Floats
from quiver.engine.stored import map_bytes, read_floats
from quiver.errors import CheckpointError
from quiver.models.checkpoint import Checkpoint
from quiver.models.config import ModelConfig

Bytes = npt.NDArray[np.uint8]
Order = npt.NDArray[np.int32]

ELEMENTS = {"F32": 0, "BF16": 1, "F16": 3}
"""Numbers of the types that safetensors stores, as ``native/kernels/kernels.hpp`` has them."""

PRECISIONS = {"float32": 0, "bfloat16": 1, "int8": 2}

PANEL = 16
INPUT_MULTIPLE = 64


@dataclass(frozen=True, slots=True)
class MatrixOrder:
    """What a packed matrix takes from a layer's tensors."""

    tensors: tuple[str, ...]
    source: Order
    """[N] which of the tensors an output comes from"""
    row: Order
    """[N] and which of its rows; -1 means zeros"""
    column: Order
    """[K] which column an input is; -1 means zeros"""


class Packer:
    """Packs a checkpoint's weights in one precision, in the order that the extension takes them."""

    def __init__(self, checkpoint: Checkpoint, instruction_set: str, precision: str, threads: int) -> None:
        self._checkpoint = checkpoint
        self._instruction_set, self._precision, self._threads = instruction_set, precision, threads
        self._matrices = _matrix_orders(checkpoint.config)
        self._hidden = _filled(checkpoint.config.hidden_size, INPUT_MULTIPLE)
        self._head = _head_order(checkpoint.config)

    def layer(self, index: int) -> tuple[object, ...]:
        """Four packed matrices and four norms of a layer."""
        prefix = f"layers.{index}."
        return (
            *(self._pack(prefix, order) for order in self._matrices),
            self._norm(f"{prefix}input_layernorm.weight", self._hidden),
            self._norm(f"{prefix}self_attn.q_norm.weight", self._head),
            self._norm(f"{prefix}self_attn.k_norm.weight", self._head),
            self._norm(f"{prefix}post_attention_layernorm.weight", self._hidden),
        )

    def final_norm(self) -> Floats:
        """The norm behind the last layer."""
        return self._norm("norm.weight", self._hidden)

    def _norm(self, name: str, order: Order) -> Floats:
        """A norm's weights in the order of the channels, zeros where there is none."""
        weight = read_floats(self._checkpoint.tensors[name])
        norm: Floats = np.where(order < 0, np.float32(0), weight[np.maximum(order, 0)]).astype(np.float32)
        return norm

    def _pack(self, prefix: str, order: MatrixOrder) -> tuple[object, ...]:
        """Panels, scale and sums (of int8 only, else empty), outputs, inputs and element."""
        entries = [self._checkpoint.tensors[f"{prefix}{name}.weight"] for name in order.tensors]
        element = PRECISIONS[self._precision]
        outputs, inputs = len(order.row), len(order.column)
        panels = _aligned(outputs * inputs * (4, 2, 1)[element])
        scaled = outputs if self._precision == "int8" else 0
        scale, sums = np.empty(scaled, np.float32), np.empty(scaled, np.int32)
        finite = _native.pack(
            self._instruction_set,
            self._threads,
            [(map_bytes(entry), ELEMENTS[entry.dtype], entry.shape[1]) for entry in entries],
            order.source,
            order.row,
            order.column,
            element,
            panels,
            scale,
            sums,
        )
        if not finite:
            raise CheckpointError(
                f"{prefix}{order.tensors[0]}.weight has weights that are not finite: the file is damaged"
            )
        return panels, scale, sums, outputs, inputs, element


def _matrix_orders(config: ModelConfig) -> tuple[MatrixOrder, ...]:
    """Queries, keys and values; attention's output; gate and up; down."""
    head, value = _head_order(config), _value_order(config)
    qkv = (
        _heads(head, config.query_heads),
        _heads(head, config.key_value_heads),
        _heads(value, config.key_value_heads),
    )
    hidden, outputs = _filled(config.hidden_size, INPUT_MULTIPLE), _filled(config.hidden_size, PANEL)
    blocks = _filled(config.intermediate_size, PANEL).reshape(-1, PANEL)
    gate_up = np.repeat(blocks, 2, axis=0).reshape(-1)
    from_one = np.zeros(len(outputs), np.int32)
    return (
        MatrixOrder(
            ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
            np.repeat(np.arange(3, dtype=np.int32), [len(part) for part in qkv]),
            np.concatenate(qkv),
            hidden,
        ),
        MatrixOrder(
            ("self_attn.o_proj",),
            from_one,
            outputs,
            _fill(_heads(value, config.query_heads), INPUT_MULTIPLE),
        ),
        MatrixOrder(
            ("mlp.gate_proj", "mlp.up_proj"),
            np.tile(np.repeat(np.arange(2, dtype=np.int32), PANEL), len(blocks)),
            gate_up,
            hidden,
        ),
        MatrixOrder(("mlp.down_proj",), from_one, outputs, _filled(config.intermediate_size, INPUT_MULTIPLE)),
    )


def _fill(order: npt.NDArray[np.int64] | Order, multiple: int) -> Order:
    """The order with zeros (-1) at the end, up to a multiple."""
    filled = np.full(-len(order) % multiple + len(order), -1, np.int32)
    filled[: len(order)] = order
    return filled


def _filled(size: int, multiple: int) -> Order:
    return _fill(np.arange(size), multiple)


def _head_order(config: ModelConfig) -> Order:
    """Channels of a query or key head: each half filled up to panels."""
    half = config.head_dim // 2
    return np.concatenate([_filled(half, PANEL), _shift(_filled(half, PANEL), half)])


def _value_order(config: ModelConfig) -> Order:
    """Channels of a value head, as wide as the others."""
    channels = np.full(len(_head_order(config)), -1, np.int32)
    channels[: config.head_dim] = np.arange(config.head_dim)
    return channels


def _heads(order: Order, heads: int) -> Order:
    """The same order for every head."""
    size = int(order.max()) + 1
    return np.concatenate([_shift(order, head * size) for head in range(heads)])


def _shift(order: Order, offset: int) -> Order:
    shifted: Order = np.where(order < 0, -1, order + offset).astype(np.int32)
    return shifted


def _aligned(size: int) -> Bytes:
    """Bytes that begin at a cache line."""
    memory = np.empty(size + 64, np.uint8)
    first = -memory.ctypes.data % 64
    return memory[first : first + size]

"""Weights for the native engine: mapped from safetensors, checked, and packed into panels.

Query, key and value projections become one matrix; gate and up another, whose panels alternate. A head takes
a whole number of panels: its two halves, which rotary embedding pairs, are filled up to 16 channels each. How
a packed matrix lies in memory is drawn in ``native/layout.hpp``.
"""

from collections.abc import Sequence
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
class PackedMatrix:
    """Panels of N outputs by K inputs; scale and sums, [N], are empty but for int8."""

    panels: Bytes
    scale: Floats
    sums: npt.NDArray[np.int32]
    outputs: int
    inputs: int
    element: int

    def parts(self) -> tuple[Bytes, Floats, npt.NDArray[np.int32], int, int, int]:
        """What the extension takes."""
        return self.panels, self.scale, self.sums, self.outputs, self.inputs, self.element


@dataclass(frozen=True, slots=True)
class Packer:
    """Packs a checkpoint's matrices in one precision."""

    checkpoint: Checkpoint
    instruction_set: str
    precision: str
    threads: int

    def layer(self, index: int) -> tuple[object, ...]:
        """Four packed matrices and four norms of a layer, in the order that the extension takes."""
        config, prefix = self.checkpoint.config, f"layers.{index}."
        hidden = _filled(config.hidden_size, INPUT_MULTIPLE)
        head, values = _head_order(config), _value_order(config)
        qkv = [_heads(head, config.query_heads), _heads(head, config.key_value_heads)]
        qkv.append(_heads(values, config.key_value_heads))
        attended = _heads(values, config.query_heads)
        inner = _filled(config.intermediate_size, PANEL)
        halves = inner.reshape(-1, 1, PANEL)
        alternating = np.concatenate([halves, halves], axis=1).reshape(-1)
        which = np.tile(np.repeat([0, 1], PANEL), len(halves))
        return (
            self._pack(
                [f"{prefix}self_attn.{name}_proj.weight" for name in "qkv"],
                np.repeat([0, 1, 2], [len(part) for part in qkv]),
                np.concatenate(qkv),
                hidden,
            ),
            self._pack(
                [f"{prefix}self_attn.o_proj.weight"],
                None,
                _filled(config.hidden_size, PANEL),
                _fill(attended, INPUT_MULTIPLE),
            ),
            self._pack([f"{prefix}mlp.{n}_proj.weight" for n in ("gate", "up")], which, alternating, hidden),
            self._pack(
                [f"{prefix}mlp.down_proj.weight"],
                None,
                _filled(config.hidden_size, PANEL),
                _filled(config.intermediate_size, INPUT_MULTIPLE),
            ),
            self.norm(f"{prefix}input_layernorm.weight", hidden),
            self.norm(f"{prefix}self_attn.q_norm.weight", head),
            self.norm(f"{prefix}self_attn.k_norm.weight", head),
            self.norm(f"{prefix}post_attention_layernorm.weight", hidden),
        )

    def norm(self, name: str, order: Order) -> Floats:
        """A norm's weights in the order of the channels, zeros where there is none."""
        weight = read_floats(self.checkpoint.tensors[name])
        norm: Floats = np.where(order < 0, np.float32(0), weight[np.maximum(order, 0)]).astype(np.float32)
        return norm

    def _pack(
        self, names: Sequence[str], source: npt.NDArray[np.int64] | None, row: Order, column: Order
    ) -> tuple[object, ...]:
        entries = [self.checkpoint.tensors[name] for name in names]
        element = PRECISIONS[self.precision]
        outputs, inputs = len(row), len(column)
        scaled = outputs if self.precision == "int8" else 0
        matrix = PackedMatrix(
            panels=_aligned(outputs * inputs * (4, 2, 1)[element]),
            scale=np.empty(scaled, np.float32),
            sums=np.empty(scaled, np.int32),
            outputs=outputs,
            inputs=inputs,
            element=element,
        )
        sources = [(map_bytes(entry), ELEMENTS[entry.dtype], entry.shape[1]) for entry in entries]
        order = np.zeros(outputs, np.int32) if source is None else source.astype(np.int32)
        finite = _native.pack(
            self.instruction_set,
            self.threads,
            sources,
            order,
            row,
            column,
            element,
            matrix.panels,
            matrix.scale,
            matrix.sums,
        )
        if not finite:
            raise CheckpointError(f"{names[0]} has weights that are not finite: the file is damaged")
        return matrix.parts()


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

"""Weights for the native engine: taken from safetensors, checked, and packed into panels.

How a packed matrix lies in memory is drawn in ``native/layout.hpp``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from quiver import _native
from quiver.engine.base import Floats
from quiver.engine.native_order import (
    INPUT_MULTIPLE,
    MatrixOrder,
    Order,
    filled,
    head_order,
    in_order,
    matrix_orders,
)
from quiver.engine.stored import map_bytes, read_floats
from quiver.errors import CheckpointError
from quiver.models.checkpoint import Checkpoint

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int32]

LAYOUT_VERSION = 4
"""To be raised whenever packing gives other bytes, so that no packed file of before is used."""

ELEMENTS = {"F32": 0, "BF16": 1, "F16": 3, "F8_E4M3": 4}
"""Numbers of the types that safetensors stores, as ``native/kernels/kernels.hpp`` has them."""

PRECISIONS = {"float32": 0, "bfloat16": 1, "int8": 2}


class PackedMatrix(NamedTuple):
    """A packed matrix, as the extension takes it; scales and sums are of int8 only, else empty."""

    panels: Bytes
    scale: Floats
    sums: Ints
    input_scale: Floats
    outputs: int
    inputs: int
    element: int


@dataclass(frozen=True, slots=True)
class MatrixShape:
    """How much memory a packed matrix takes: panels, then scales and sums, each of whole cache lines."""

    outputs: int
    inputs: int
    element: int

    @property
    def panel_bytes(self) -> int:
        """Bytes of the panels."""
        return self.outputs * self.inputs * (4, 2, 1)[self.element]

    @property
    def scaled(self) -> bool:
        """Whether it has scales and sums."""
        return self.element == PRECISIONS["int8"]

    @property
    def size(self) -> int:
        """Bytes of all that."""
        return self.panel_bytes + 4 * (2 * self.outputs + self.inputs) * self.scaled

    def view(self, memory: Bytes) -> PackedMatrix:
        """The matrix that lies, or is to lie, in ``size`` bytes."""
        outputs = 4 * self.outputs * self.scaled
        ends = np.cumsum([self.panel_bytes, outputs, outputs])
        panels, scale, sums, input_scale = np.split(memory, ends)
        return PackedMatrix(
            panels,
            scale.view(np.float32),
            sums.view(np.int32),
            input_scale.view(np.float32),
            self.outputs,
            self.inputs,
            self.element,
        )


class Packer:
    """Packs a checkpoint's weights in one precision: matrix by matrix, four a layer."""

    def __init__(self, checkpoint: Checkpoint, instruction_set: str, precision: str, threads: int) -> None:
        self.checkpoint, self.precision = checkpoint, precision
        self._instruction_set, self._threads = instruction_set, threads
        self._orders = {
            f"layers.{layer}.{order.name}": (f"layers.{layer}.", order)
            for layer, order in product(range(checkpoint.config.layers), matrix_orders(checkpoint.config))
        }
        last = f"layers.{checkpoint.config.layers - 1}."
        self.shapes = {
            name: MatrixShape(len(order.row), len(order.column), self._element(prefix == last))
            for name, (prefix, order) in self._orders.items()
        }
        """All matrices, in the order of the extension"""
        self._output_sizes: dict[str, Floats] = {}
        self._hidden = filled(checkpoint.config.hidden_size, INPUT_MULTIPLE)
        self._head = head_order(checkpoint.config)

    @property
    def size(self) -> int:
        """Bytes of all packed matrices."""
        return sum(shape.size for shape in self.shapes.values())

    def _element(self, in_last_layer: bool) -> int:
        """In which numbers a matrix is kept; no later layer would even out what eight bits do to the last."""
        keeps_more = self.precision == "int8" and in_last_layer
        return PRECISIONS["bfloat16" if keeps_more else self.precision]

    def pack(self, name: str) -> Bytes:
        """The memory of one packed matrix; raises CheckpointError for weights that are not finite."""
        prefix, order = self._orders[name]
        entries = [self.checkpoint.tensors[f"{prefix}{tensor}.weight"] for tensor in order.tensors]
        memory = _aligned(self.shapes[name].size)
        matrix = self.shapes[name].view(memory)
        finite = _native.pack(
            self._instruction_set,
            self._threads,
            [(map_bytes(entry), ELEMENTS[entry.dtype], entry.shape[1]) for entry in entries],
            order.source,
            order.row,
            order.column,
            matrix.element,
            self._input_sizes(prefix, order) if self.shapes[name].scaled else matrix.input_scale,
            matrix.panels,
            matrix.scale,
            matrix.sums,
            matrix.input_scale,
        )
        if not finite:
            raise CheckpointError(
                f"{prefix}{order.tensors[0]}.weight has weights that are not finite: the file is damaged"
            )
        self._output_sizes[name] = matrix.scale.copy()
        return memory

    def _input_sizes(self, prefix: str, order: MatrixOrder) -> Floats:
        """How large a matrix's inputs are beside each other, by the weights that they come from."""
        before = f"{prefix}{order.before}"
        if before not in self._orders:
            return np.abs(in_order(read_floats(self.checkpoint.tensors[f"{before}.weight"]), order.origin))
        if before not in self._output_sizes:
            self.pack(before)
        return in_order(self._output_sizes[before], order.origin)

    def layers(self, matrices: Sequence[PackedMatrix]) -> list[tuple[PackedMatrix | Floats, ...]]:
        """Four packed matrices and four norms of every layer."""
        return [
            (*matrices[4 * layer : 4 * layer + 4], *self._norms(f"layers.{layer}."))
            for layer in range(self.checkpoint.config.layers)
        ]

    def final_norm(self) -> Floats:
        """The norm behind the last layer."""
        return self._norm("norm.weight", self._hidden)

    def _norms(self, prefix: str) -> tuple[Floats, ...]:
        return (
            self._norm(f"{prefix}input_layernorm.weight", self._hidden),
            self._norm(f"{prefix}self_attn.q_norm.weight", self._head),
            self._norm(f"{prefix}self_attn.k_norm.weight", self._head),
            self._norm(f"{prefix}post_attention_layernorm.weight", self._hidden),
        )

    def _norm(self, name: str, order: Order) -> Floats:
        """A norm's weights in the order of the channels, zeros where there is none."""
        return in_order(read_floats(self.checkpoint.tensors[name]), order)


def _aligned(size: int) -> Bytes:
    """Bytes that begin at a cache line."""
    memory = np.empty(size + 64, np.uint8)
    first = -memory.ctypes.data % 64
    return memory[first : first + size]

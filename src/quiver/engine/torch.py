"""The PyTorch engine: Qwen3's forward pass over packed sequences, on CPU, CUDA and MPS.

The residual stream and the norms are float32 in every precision; matrix products and attention run in the
precision asked for. A CPU without bfloat16 or float16 arithmetic keeps the weights narrow and widens one
matrix at a time. Activations live in buffers that are allocated once: large temporaries would go back to the
kernel at every free and be faulted in again. Rows that nobody asked for stop after the last layer's
attention.
"""

import threading
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from quiver.engine.base import Batch, Floats, Prefix
from quiver.engine.rotary import inverse_frequencies, rotation_scale
from quiver.engine.torch_attention import Layout, TorchPrefix, attend
from quiver.engine.torch_device import Precision
from quiver.engine.torch_weights import LayerWeights, load_weights
from quiver.models.checkpoint import Checkpoint

ROWS_PER_BLOCK = 1024
"""Rows that pass through the row-wise operations together; bounds their buffers on long texts."""

PREFIX_BYTES = 1 << 30
"""Memory for kept keys and values."""


class TorchEngine:
    """Runs a checkpoint; an Engine. Threads may share it and take turns."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        precision: Precision,
        *,
        token_budget: int | None = None,
        answer_ids: tuple[int, int] | None = None,
    ) -> None:
        self.precision = precision.name
        self.device = f"{precision.device} (torch)"
        self.token_budget = precision.token_budget if token_budget is None else token_budget
        self._config = checkpoint.config
        self._device, self._compute = precision.device, precision.compute
        self.prefix_budget = self._config.prefix_budget(PREFIX_BYTES, self._compute.itemsize)
        self._weights = load_weights(checkpoint, precision.device, precision.storage, answer_ids)
        self._buffers = _Buffers(precision.device)
        self._turn = threading.Lock()
        self._frequencies = torch.from_numpy(inverse_frequencies(self._config)).to(self._device)

    @torch.inference_mode()
    def keep(self, batch: Batch) -> list[Prefix]:
        """Run the sequences and keep their keys and values."""
        kept: list[torch.Tensor] = []
        with self._turn:
            self._forward(batch, None, kept)
        heads = (2, self._config.key_value_heads, self._config.head_dim)
        prefixes: list[Prefix] = []
        for index, parent in enumerate(batch.prefixes):
            start, stop = int(batch.boundaries[index]), int(batch.boundaries[index + 1])
            layers = [k[start:stop].unflatten(1, heads).unbind(1) for k in kept]
            keys, values = zip(*layers, strict=True)
            length = (parent.length if parent else 0) + stop - start
            continued = parent if isinstance(parent, TorchPrefix) else None
            prefixes.append(TorchPrefix(continued, length, keys, values))
        return prefixes

    @torch.inference_mode()
    def run(self, batch: Batch, rows: npt.NDArray[np.int64]) -> Floats:
        """Run the sequences: rows after the final norm, or their logits of "no" and "yes"."""
        with self._turn:
            hidden = self._forward(batch, torch.from_numpy(rows).to(self._device), None)
            self._buffers.shrink(self.token_budget)
        output = _rms_norm(hidden, self._weights.final_norm, self._config.rms_norm_eps)
        if self._weights.head is not None:
            output = output @ self._weights.head.t()
        result: Floats = output.cpu().numpy()
        return result

    def _forward(
        self, batch: Batch, rows: torch.Tensor | None, kept: list[torch.Tensor] | None
    ) -> torch.Tensor:
        """Residual stream of the wanted rows behind the last layer: [rows, E].

        With ``kept``, appends each layer's keys and values and skips what lies behind the last of them.
        """
        config, layout = self._config, Layout.of(batch)
        batch.check_vocabulary(config.vocabulary)
        hidden = self._embed(batch.token_ids)
        rotation = self._rotation(batch)
        tokens = len(batch.token_ids)
        attended = self._buffers.take("attended", tokens, config.query_size, self._compute)
        for index, layer in enumerate(self._weights.layers):
            is_last = index == config.layers - 1
            qkv = self._project(layer, hidden, rotation)
            if kept is not None:
                kept.append(qkv[:, config.query_size :].clone())
                if is_last:
                    break
            attend(qkv, layout, index, config, attended)
            if is_last and rows is not None:
                hidden, attended = hidden[rows], attended[rows]
            self._add_product(hidden, attended, self._widen("out", layer.attention_out))
            self._feed_forward(layer, hidden)
        return hidden

    def _embed(self, token_ids: npt.NDArray[np.int32]) -> torch.Tensor:
        hidden = self._buffers.take("hidden", len(token_ids), self._config.hidden_size, torch.float32)
        ids = torch.from_numpy(token_ids).to(self._device)
        for block in _blocks(len(token_ids)):
            hidden[block] = self._weights.embedding[ids[block]]
        return hidden

    def _rotation(self, batch: Batch) -> torch.Tensor:
        """[T, 1, D / 2] the unit complex number that turns each pair of channels at each row."""
        offsets = [prefix.length if prefix else 0 for prefix in batch.prefixes]
        starts = batch.boundaries[:-1] - np.asarray(offsets, dtype=np.int64)
        lengths = np.diff(batch.boundaries)
        positions = np.arange(len(batch.token_ids)) - np.repeat(starts, lengths)
        place = torch.from_numpy(positions.astype(np.float32)).to(self._device)
        angles = torch.outer(place, self._frequencies)
        scale = torch.full_like(angles, rotation_scale(self._config.rope))
        return torch.polar(scale, angles).unsqueeze(1)

    def _project(self, layer: LayerWeights, hidden: torch.Tensor, rotation: torch.Tensor) -> torch.Tensor:
        """[T, (H + 2G) D] queries, keys and values; queries and keys normed and rotated."""
        config = self._config
        width = config.query_size + 2 * config.key_value_size
        heads = config.query_heads + config.key_value_heads
        qkv = self._buffers.take("qkv", len(hidden), width, self._compute)
        matrix = self._widen("qkv", layer.qkv)
        for block in _blocks(len(hidden)):
            torch.mm(self._norm(hidden[block], layer.input_norm), matrix.t(), out=qkv[block])
            turned = qkv[block, : heads * config.head_dim].unflatten(1, (heads, config.head_dim))
            precise = turned.float()  # the same memory if it is float32 already
            _scale_to_rms(precise, layer.query_key_norm, config.rms_norm_eps)
            torch.view_as_complex(precise.unflatten(2, (-1, 2))).mul_(rotation[block])
            if precise.data_ptr() != turned.data_ptr():
                turned.copy_(precise)
        return qkv

    def _feed_forward(self, layer: LayerWeights, hidden: torch.Tensor) -> None:
        inner = self._config.intermediate_size
        gate_up = self._widen("gate_up", layer.gate_up)
        down = self._widen("down", layer.down)
        for block in _blocks(len(hidden)):
            normed = self._norm(hidden[block], layer.feed_forward_norm)
            both = self._buffers.take("gate_up", len(normed), 2 * inner, self._compute)
            torch.mm(normed, gate_up.t(), out=both)
            gate, up = both.split(inner, dim=1)
            self._add_product(hidden[block], F.silu(gate, inplace=True).mul_(up), down)

    def _norm(self, rows: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        """RMSNorm of a block of rows, in the type of the products."""
        out = self._buffers.take("normed", len(rows), rows.shape[1], torch.float32)
        out.copy_(rows)
        _scale_to_rms(out, weight, self._config.rms_norm_eps)
        return out.to(self._compute)

    def _add_product(self, hidden: torch.Tensor, rows: torch.Tensor, matrix: torch.Tensor) -> None:
        """Add ``rows @ matrix.T`` to the residual stream."""
        if self._compute == torch.float32:
            hidden.addmm_(rows, matrix.t())
            return
        for block in _blocks(len(hidden)):
            out = self._buffers.take("product", len(rows[block]), len(matrix), self._compute)
            hidden[block] += torch.mm(rows[block], matrix.t(), out=out)

    def _widen(self, name: str, matrix: torch.Tensor) -> torch.Tensor:
        """The matrix in the type of the products."""
        if matrix.dtype == self._compute:
            return matrix
        wide = self._buffers.take(f"{name} matrix", len(matrix), matrix.shape[1], self._compute)
        return wide.copy_(matrix)


class _Buffers:
    """Named working memory that grows to what was asked for and is used again."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._flat: dict[str, torch.Tensor] = {}
        self._rows: dict[str, int] = {}

    def take(self, name: str, rows: int, width: int, dtype: torch.dtype) -> torch.Tensor:
        """[rows, width] with undefined content, valid until the name is taken again."""
        flat = self._flat.get(name)
        if flat is None or flat.numel() < rows * width:
            self._flat.pop(name, None)
            flat = torch.empty(rows * width, dtype=dtype, device=self._device)
            self._flat[name], self._rows[name] = flat, rows
        return flat[: rows * width].view(rows, width)

    def shrink(self, token_budget: int) -> None:
        """Give back what a text longer than the budget made grow."""
        for name in ("hidden", "qkv", "attended"):
            if self._rows.get(name, 0) > token_budget:
                del self._flat[name], self._rows[name]


def _blocks(rows: int) -> Iterator[slice]:
    for start in range(0, rows, ROWS_PER_BLOCK):
        yield slice(start, min(start + ROWS_PER_BLOCK, rows))


def _rms_norm(rows: torch.Tensor, weight: torch.Tensor, eps: float) -> torch.Tensor:
    normed = rows.clone()
    _scale_to_rms(normed, weight, eps)
    return normed


def _scale_to_rms(rows: torch.Tensor, weight: torch.Tensor, eps: float) -> None:
    """RMSNorm over the last dimension, in place, in float32."""
    scale = torch.linalg.vector_norm(rows, dim=-1, keepdim=True)
    scale.square_().div_(rows.shape[-1]).add_(eps).rsqrt_()
    rows.mul_(scale).mul_(weight)

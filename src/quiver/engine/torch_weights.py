"""Weights for the PyTorch engine: read from safetensors, checked, fused, and laid out for rotation.

Query, key and value projections become one matrix, gate and up another. The channels of query and key heads
are reordered so that the two halves which rotary embedding pairs lie side by side: rotation is then one
complex product. Dot products of queries and keys do not change.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from safetensors import safe_open

from quiver.engine.stored import read_head
from quiver.errors import CheckpointError
from quiver.models.checkpoint import Checkpoint
from quiver.models.config import ModelConfig

Read = Callable[[str], torch.Tensor]


@dataclass(frozen=True, slots=True)
class LayerWeights:
    """One transformer layer; matrices in the storage type, norms in float32."""

    input_norm: torch.Tensor
    """[E]"""
    qkv: torch.Tensor
    """[(H + 2G) D, E]"""
    query_key_norm: torch.Tensor
    """[H + G, D]"""
    attention_out: torch.Tensor
    """[E, H D]"""
    feed_forward_norm: torch.Tensor
    """[E]"""
    gate_up: torch.Tensor
    """[2 F, E]"""
    down: torch.Tensor
    """[E, F]"""


@dataclass(frozen=True, slots=True)
class Weights:
    """A whole network."""

    embedding: torch.Tensor
    """[vocabulary, E] in the file's type, mapped from the file on CPU (eight bits widened to float16)"""
    layers: tuple[LayerWeights, ...]
    final_norm: torch.Tensor
    """[E]"""
    head: torch.Tensor | None
    """[2, E] rows of "no" and "yes" in float32; None for an embedder"""


def load_weights(
    checkpoint: Checkpoint,
    device: torch.device,
    dtype: torch.dtype,
    answer_ids: tuple[int, int] | None,
) -> Weights:
    """Read and fuse a checkpoint's weights; ``answer_ids`` are the tokens "no" and "yes" of a reranker.

    Raises CheckpointError if a weight is not finite or the head has no row for an answer.
    """
    config = checkpoint.config

    def read(name: str) -> torch.Tensor:
        entry = checkpoint.tensors[name]
        with safe_open(entry.file, framework="pt") as file:
            tensor: torch.Tensor = file.get_tensor(entry.stored_name)
            return tensor

    layers = tuple(_load_layer(config, read, i, device, dtype) for i in range(config.layers))
    head = read_head(checkpoint, answer_ids)
    return Weights(
        embedding=_indexable(read("embed_tokens.weight")).to(device),
        layers=layers,
        final_norm=_norm(read("norm.weight"), device),
        head=None if head is None else torch.from_numpy(head).to(device),
    )


def _load_layer(
    config: ModelConfig, read: Read, index: int, device: torch.device, dtype: torch.dtype
) -> LayerWeights:
    def part(name: str) -> torch.Tensor:
        return read(f"layers.{index}.{name}.weight")

    def fuse(*parts: torch.Tensor) -> torch.Tensor:
        rows = sum(p.shape[0] for p in parts)
        fused = torch.empty(rows, parts[0].shape[1], dtype=dtype, device=device)
        torch.cat([p.to(device=device, dtype=dtype) for p in parts], out=fused)
        if not bool(torch.isfinite(fused.sum(dtype=torch.float32))):
            raise CheckpointError(
                f"layer {index} has weights that are not finite in {str(dtype).split('.')[-1]}: "
                "the file is damaged, or the type is too narrow (try float32)"
            )
        return fused

    size = config.head_dim
    query_norm, key_norm = (_pair_channels(part(f"self_attn.{n}_norm").float(), size) for n in "qk")
    norms = [query_norm.expand(config.query_heads, size), key_norm.expand(config.key_value_heads, size)]
    return LayerWeights(
        input_norm=_norm(part("input_layernorm"), device),
        qkv=fuse(
            _pair_channels(part("self_attn.q_proj"), size),
            _pair_channels(part("self_attn.k_proj"), size),
            part("self_attn.v_proj"),
        ),
        query_key_norm=_norm(torch.cat(norms), device),
        attention_out=fuse(part("self_attn.o_proj")),
        feed_forward_norm=_norm(part("post_attention_layernorm"), device),
        gate_up=fuse(part("mlp.gate_proj"), part("mlp.up_proj")),
        down=fuse(part("mlp.down_proj")),
    )


def _indexable(table: torch.Tensor) -> torch.Tensor:
    """PyTorch looks nothing up in a table of eight-bit floats; they lie within those of sixteen bits."""
    return table.half() if table.itemsize == 1 else table


def _norm(weight: torch.Tensor, device: torch.device) -> torch.Tensor:
    return weight.to(device=device, dtype=torch.float32, copy=True)


def _pair_channels(weight: torch.Tensor, head_dim: int) -> torch.Tensor:
    """Reorder each head's rows from (0, 1, ..., D/2, D/2 + 1, ...) to (0, D/2, 1, D/2 + 1, ...)."""
    halves: torch.Tensor = weight.unflatten(0, (-1, 2, head_dim // 2))
    return halves.transpose(1, 2).flatten(0, 2)

"""Checkpoints with outliers: sizes moved from one tensor to the next, or massive channels in some rows."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file
from safetensors.torch import load_file

from quiver.engine.base import Floats

Change = Callable[[dict[str, Floats], float], None]


def write_changed(source: Path, folder: Path, change: Change, factor: float) -> Path:
    """A copy of a checkpoint in float32, changed."""
    shutil.copytree(source, folder)
    tensors = {
        name: tensor.float().numpy() for name, tensor in load_file(source / "model.safetensors").items()
    }
    change(tensors, factor)
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    return folder


def between_norm_and_attention(tensors: dict[str, Floats], factor: float) -> None:
    """Some channels of the norm times the factor, the columns behind it divided."""
    _move(tensors, "input_layernorm", ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"), factor)


def between_norm_and_feed_forward(tensors: dict[str, Floats], factor: float) -> None:
    """The same at the other norm."""
    _move(tensors, "post_attention_layernorm", ("mlp.gate_proj", "mlp.up_proj"), factor)


def between_up_and_down(tensors: dict[str, Floats], factor: float) -> None:
    """Some rows of one matrix times the factor, the columns of the next divided."""
    _move(tensors, "mlp.up_proj", ("mlp.down_proj",), factor)


def between_values_and_output(tensors: dict[str, Floats], factor: float) -> None:
    """Some channels of the values of every head; query heads share them."""
    for name in _named(tensors, "self_attn.v_proj"):
        output = tensors[name.replace("v_proj", "o_proj")]
        head_dim = len(tensors[name.replace("v_proj", "q_norm")])
        values = tensors[name].reshape(-1, head_dim, tensors[name].shape[1])
        values[:, 3] *= factor
        output.reshape(len(output), -1, head_dim)[:, :, 3] /= factor


def in_every_third_token(tensors: dict[str, Floats], factor: float) -> None:
    """One channel far above all others, as trained models have on some tokens; another function."""
    (embedding,) = (tensor for name, tensor in tensors.items() if name.endswith("embed_tokens.weight"))
    embedding[::3, 7] = factor * np.sqrt(np.square(embedding).mean())


def _named(tensors: dict[str, Floats], part: str) -> list[str]:
    return [name for name in tensors if f".{part}." in name]


def _move(tensors: dict[str, Floats], before: str, after: tuple[str, ...], factor: float) -> None:
    for name in _named(tensors, before):
        rows = tensors[name]
        chosen = np.arange(3, len(rows), max(1, len(rows) // 4))
        rows[chosen] *= factor
        for part in after:
            tensors[name.replace(before, part)][:, chosen] /= factor

"""Saving: a checkpoint like another, with other weights."""

import shutil
from collections.abc import Mapping
from pathlib import Path

import torch
from huggingface_hub import save_torch_state_dict
from torch import Tensor

from quiver.errors import CheckpointError
from quiver.models.checkpoint import Checkpoint, open_checkpoint

DTYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "F8_E4M3": torch.float32}
"""Eight bits are too few for what training or merging adds; sixteen lost up to half of it."""


def save_like(base: Checkpoint, tensors: Mapping[str, Tensor], folder: Path) -> Checkpoint:
    """Write ``tensors``, by the base's names without prefix, in its types and beside its other files.

    Raises CheckpointError for numbers that are not finite.
    """
    stored = {}
    for name, entry in base.tensors.items():
        tensor = tensors[name]
        if not torch.isfinite(tensor).all():
            raise CheckpointError(f"{name} holds numbers that are not finite")
        stored[entry.stored_name] = tensor.detach().to("cpu", DTYPES[entry.dtype]).contiguous()
    weights = shutil.ignore_patterns("*.safetensors*", "*.bin", "*.pt", "*.pth")
    shutil.copytree(base.folder, folder, ignore=weights, dirs_exist_ok=True)
    save_torch_state_dict(stored, folder)
    return open_checkpoint(folder, base.kind)

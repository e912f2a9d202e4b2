"""What the engines are held against: transformers, one sequence at a time."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from transformers import Qwen3Model

from quiver.engine.base import Floats
from quiver.text.tokenizer import TokenIds


def random_sequences(lengths: Sequence[int], seed: int = 0) -> list[TokenIds]:
    """Tokens that every test model has."""
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 300, length).astype(np.int32) for length in lengths]


def reference_rows(folder: Path, sequences: list[TokenIds]) -> Floats:
    """Last hidden rows by transformers, one sequence at a time."""
    model = Qwen3Model.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.no_grad():
        rows = [model(torch.tensor(s[None].astype(np.int64))).last_hidden_state[0, -1] for s in sequences]
    return torch.stack(rows).numpy()


def cosines(first: Floats, second: Floats) -> npt.NDArray[np.float64]:
    products = (first.astype(np.float64) * second).sum(axis=1)
    lengths: npt.NDArray[np.float64] = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    ratios: npt.NDArray[np.float64] = products / lengths
    return ratios

"""transformers' Qwen3 with the attention it chooses itself (scaled_dot_product_attention)."""

from collections.abc import Sequence
from pathlib import Path

import torch
import transformers

from benchmarks.peers.padding import PADDED_BATCH_SIZES, Rectangle, encode_padded
from benchmarks.peers.worker import Loaded, Text, Vectors


def load(folder: Path, precision: str, threads: int) -> Loaded:
    """The bare model, without a cache of keys and values."""
    torch.set_num_threads(threads)
    model = transformers.AutoModel.from_pretrained(folder, dtype=getattr(torch, precision)).eval()

    @torch.inference_mode()
    def run(ids: Rectangle, mask: Rectangle) -> Vectors:
        outputs = model(
            input_ids=torch.from_numpy(ids), attention_mask=torch.from_numpy(mask), use_cache=False
        )
        states: Vectors = outputs.last_hidden_state.float().numpy()
        return states

    def encode(texts: Sequence[Text], batch_size: int) -> Vectors:
        return encode_padded(texts, batch_size, run)

    return Loaded(transformers.__version__, encode, PADDED_BATCH_SIZES)

"""sentence-transformers as its documentation says; it sorts by length and pads by itself."""

from collections.abc import Sequence
from pathlib import Path

import sentence_transformers
import torch

from benchmarks.peers.padding import PADDED_BATCH_SIZES
from benchmarks.peers.worker import Loaded, Text, Vectors


def load(folder: Path, precision: str, threads: int) -> Loaded:
    """Its default precision is the checkpoint's own."""
    torch.set_num_threads(threads)
    model = sentence_transformers.SentenceTransformer(
        str(folder), device="cpu", model_kwargs={"dtype": getattr(torch, precision)}
    )

    def encode(texts: Sequence[Text], batch_size: int) -> Vectors:
        vectors: Vectors = model.encode(
            [text.text for text in texts],
            batch_size=batch_size,
            prompt="",
            show_progress_bar=False,
            normalize_embeddings=True,
        )
        return vectors

    return Loaded(sentence_transformers.__version__, encode, PADDED_BATCH_SIZES)

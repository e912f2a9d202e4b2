"""Quiver."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

import quiver
from benchmarks.peers.worker import Loaded, Text, Vectors


def load(folder: Path, precision: str, threads: int) -> Loaded:
    """Quiver's native engine; it takes its threads from the environment."""
    embedder = quiver.Embedder(folder, dtype=precision, backend="native")

    def encode(texts: Sequence[Text], batch_size: int) -> Vectors:
        return np.asarray(embedder.encode_document([text.text for text in texts], show_progress_bar=False))

    return Loaded(quiver.__version__, encode)

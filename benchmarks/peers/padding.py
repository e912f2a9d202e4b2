"""Batches for libraries that want rectangles: sorted by length, padded on the right."""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from benchmarks.peers.worker import Text, Vectors

Rectangle = npt.NDArray[np.int64]

PADDED_BATCH_SIZES = (1, 4, 16)


def encode_padded(
    texts: Sequence[Text], batch_size: int, last_hidden_state: Callable[[Rectangle, Rectangle], Vectors]
) -> Vectors:
    """Unit vectors by a function of token ids and mask, both [B, T], to states [B, T, H]."""
    order = sorted(range(len(texts)), key=lambda i: -len(texts[i].ids))
    found: dict[int, Vectors] = {}
    for start in range(0, len(order), batch_size):
        chosen = order[start : start + batch_size]
        ids, mask = _rectangles([texts[i].ids for i in chosen])
        states = last_hidden_state(ids, mask)
        for row, index in enumerate(chosen):
            found[index] = states[row, len(texts[index].ids) - 1]
    return unit(np.stack([found[i] for i in range(len(texts))]))


def _rectangles(sequences: Sequence[list[int]]) -> tuple[Rectangle, Rectangle]:
    width = max(map(len, sequences))
    ids, mask = (np.zeros((len(sequences), width), np.int64) for _ in range(2))
    for row, sequence in enumerate(sequences):
        ids[row, : len(sequence)] = sequence
        mask[row, : len(sequence)] = 1
    return ids, mask


def unit(vectors: Vectors) -> Vectors:
    """The same directions, length one."""
    scaled: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return scaled

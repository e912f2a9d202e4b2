"""Synthetic passages: vectors in clusters of clusters, as embeddings lie; words by Zipf's law."""

from pathlib import Path

import numpy as np

from quiver.embedder import normalize
from quiver.results import Floats

TOPICS = 2000
WORDS = 20_000
WORDS_A_PASSAGE = 60
BLOCK = 50_000


class Synthetic:
    """Vectors around topics, topics around themes; queries lie where passages do."""

    def __init__(self, dimension: int, seed: int = 0) -> None:
        self._random = np.random.default_rng(seed)
        themes = self._noise(40, dimension)
        chosen = self._random.integers(0, len(themes), TOPICS)
        self._topics = normalize(themes[chosen] + 1.2 * self._noise(TOPICS, dimension))
        self._vocabulary = np.asarray([f"word{number}" for number in range(WORDS)])

    def vectors(self, count: int) -> Floats:
        """Unit vectors [count, dimension]."""
        topics = self._topics[self._random.integers(0, TOPICS, count)]
        unit: Floats = normalize(topics + 0.9 * self._noise(count, topics.shape[1]))
        return unit

    def text(self, words: int = WORDS_A_PASSAGE) -> str:
        """A passage's words."""
        return " ".join(self._vocabulary[self._random.zipf(1.3, words) % WORDS])

    def _noise(self, count: int, dimension: int) -> Floats:
        rows = self._random.standard_normal((count, dimension), dtype=np.float32)
        return rows / np.float32(np.sqrt(dimension))


def write_vectors(synthetic: Synthetic, count: int, dimension: int, path: Path) -> Floats:
    """Vectors [count, dimension] in a file, mapped: memory holds one block of them at a time."""
    rows: Floats = np.lib.format.open_memmap(path, "w+", np.float32, (count, dimension))
    for start in range(0, count, BLOCK):
        rows[start : start + BLOCK] = synthetic.vectors(min(BLOCK, count - start))
    return rows


def nearest(vectors: Floats, queries: Floats, count: int) -> list[set[int]]:
    """The true nearest rows of each query, by comparing with every vector."""
    best = np.empty((len(queries), 0), np.float32)
    rows = np.empty((len(queries), 0), np.int64)
    for start in range(0, len(vectors), BLOCK):
        cosines = queries @ vectors[start : start + BLOCK].T
        best = np.concatenate([best, cosines], axis=1)
        here = np.broadcast_to(np.arange(start, start + cosines.shape[1]), cosines.shape)
        rows = np.concatenate([rows, here], axis=1)
        kept = np.argpartition(-best, min(count, best.shape[1] - 1), axis=1)[:, :count]
        best, rows = np.take_along_axis(best, kept, 1), np.take_along_axis(rows, kept, 1)
    return [set(row.tolist()) for row in rows]

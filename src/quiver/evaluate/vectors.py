"""Vectors: what tasks ask of an encoder, and the geometry that they score."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from quiver.embedder import normalize
from quiver.errors import InputError, NumericalError
from quiver.evaluate.systems import Encoder
from quiver.results import Floats

Vectors = Mapping[str, Floats]
"""The unit vectors of one set by the part that they play in it: [N, E] each."""


class Embedding:
    """An encoder at work on one set: full vectors, and how many texts it had to cut."""

    def __init__(self, encoder: Encoder, *, show_progress_bar: bool | None) -> None:
        self._encoder = encoder
        self._show = show_progress_bar
        self.cut = 0

    def queries(self, texts: Sequence[str], instruction: str | Sequence[str] | None) -> Floats:
        """Vectors of texts behind an instruction, or one for each text."""
        return self._run(self._encoder.encode_query, texts, instruction=instruction)

    def documents(self, texts: Sequence[str]) -> Floats:
        """Vectors of texts that stand bare."""
        return self._run(self._encoder.encode_document, texts)

    def _run(self, encode: Callable[..., Floats], texts: Sequence[str], **options: Any) -> Floats:  # noqa: ANN401
        found = encode(texts, show_progress_bar=self._show, **options)
        self.cut += len(getattr(found, "cuts", ()))
        vectors = np.asarray(found, dtype=np.float32)
        if vectors.ndim != 2 or len(vectors) != len(texts):
            raise InputError(f"the encoder gave an array of shape {vectors.shape} for {len(texts)} texts")
        if not np.isfinite(vectors).all():
            raise NumericalError("the encoder gave a vector that is not finite")
        return vectors


def cut_to(vectors: Vectors, dimension: int | None) -> dict[str, Floats]:
    """Unit vectors of the first ``dimension`` values (Matryoshka), or of all."""
    widths = {rows.shape[1] for rows in vectors.values()}
    if dimension is not None and not 1 <= dimension <= min(widths):
        raise InputError(f"vectors of {min(widths)} values cannot be cut to {dimension}")
    return {name: normalize(rows[:, :dimension]) for name, rows in vectors.items()}


def cosines(first: Floats, second: Floats) -> Floats:
    """Cosine of each row with its counterpart [N], computed as mteb does so that ties fall alike."""
    from sklearn.metrics.pairwise import paired_cosine_distances

    similar: Floats = 1 - paired_cosine_distances(first, second)
    return similar

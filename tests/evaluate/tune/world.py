"""A world whose right answers are known: document i answers query i, and noise says how well it is found."""

import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from quiver.evaluate.meta import Meta
from quiver.evaluate.ranking import RankingTask
from quiver.results import Floats

DIMENSION = 64
SIGNAL = 32
"""Values of a vector that mean something; those behind are all but zero."""


class NoisyEncoder:
    """Queries lie at their document, blurred by the noise of the instruction they stand behind."""

    def __init__(self, noise: Mapping[str | None, float] | None = None, usual: float = 0.9) -> None:
        self._noise = noise or {}
        self._usual = usual
        self.documents_embedded = 0

    def encode_query(
        self,
        texts: Sequence[str],
        *,
        instruction: str | Sequence[str] | None = None,
        show_progress_bar: bool | None = None,
    ) -> Floats:
        assert instruction is None or isinstance(instruction, str)
        return self._queries(texts, instruction or "own", self._noise.get(instruction, self._usual))

    def encode_document(self, texts: Sequence[str], *, show_progress_bar: bool | None = None) -> Floats:
        if texts[0].startswith("query"):
            return self._queries(texts, "bare", self._noise.get("bare", self._usual))
        self.documents_embedded += len(texts)
        return np.stack([_place(text.split()[-1]) for text in texts])

    def _queries(self, texts: Sequence[str], behind: str, noise: float) -> Floats:
        blurred = [_place(t.split()[-1]) + noise * _random(f"{t} {behind}") for t in texts]
        return np.stack(blurred).astype(np.float32)


def world(queries: int, documents: int | None = None) -> RankingTask:
    count = documents or queries
    return RankingTask(
        meta=Meta(folder=Path(), name="world", type="retrieval", metric="ndcg@10", instruction=None),
        query_ids=[str(number) for number in range(queries)],
        queries=[f"query {number}" for number in range(queries)],
        instruction=None,
        document_ids=[str(number) for number in range(count)],
        documents=[f"document {number}" for number in range(count)],
        grades={str(number): {str(number): 1} for number in range(queries)},
    )


def _place(number: str) -> Floats:
    return _random(f"document {number}")


def _random(text: str) -> Floats:
    values = np.random.default_rng(zlib.crc32(text.encode())).standard_normal(DIMENSION)
    values[SIGNAL:] *= 0.01
    return values.astype(np.float32)

"""Bitext: each sentence's translation found among all of the other language."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from quiver.errors import InputError
from quiver.evaluate.lines import read_lines
from quiver.evaluate.meta import Meta
from quiver.evaluate.vectors import Embedding, Vectors
from quiver.results import Floats

PIVOT = "eng"
"""The language that others are mined against; where it is absent, the first."""


@dataclass(frozen=True, slots=True)
class BitextTask:
    """The same sentences in several languages, aligned by line."""

    meta: Meta
    sentences: Mapping[str, Sequence[str]]
    """By language, the pivot first."""

    def embed(self, embedding: Embedding) -> dict[str, Floats]:
        """All sentences behind the instruction, a language at a time."""
        return {
            language: embedding.queries(texts, self.meta.instruction)
            for language, texts in self.sentences.items()
        }

    def score(self, vectors: Vectors) -> dict[str, float]:
        """F1 of the nearest neighbour, from the pivot to each language and back, and the mean."""
        pivot, *others = self.sentences
        scores = {}
        for other in others:
            similar = vectors[other] @ vectors[pivot].T
            scores[f"f1 {other}-{pivot}"] = _f1(similar)
            scores[f"f1 {pivot}-{other}"] = _f1(similar.T)
        return {"f1": float(np.mean(list(scores.values()))), **scores}


def read_bitext(meta: Meta) -> BitextTask:
    """Read one ``<language>.txt`` for each of the languages."""
    ordered = sorted(dict.fromkeys(meta.languages), key=lambda language: language != PIVOT)
    if len(ordered) < 2:
        raise InputError(f"{meta.file('meta.json')}: a bitext set needs two languages at least")
    sentences = {
        language: [line for _, line in read_lines(meta.file(f"{language}.txt"))] for language in ordered
    }
    wanted = len(sentences[ordered[0]])
    for language, texts in sentences.items():
        if len(texts) != wanted or not texts:
            raise InputError(
                f"{meta.file(f'{language}.txt')}: {len(texts)} lines where {ordered[0]}.txt has {wanted}"
            )
    return BitextTask(meta, sentences)


def _f1(similar: Floats) -> float:
    """Weighted F1 [N, N] of the best column of each row, the diagonal being right."""
    from sklearn.metrics import f1_score

    found = similar.argmax(axis=1)
    return float(f1_score(np.arange(len(found)), found, average="weighted", zero_division=0))

"""Tasks: from a folder to what can be embedded and scored."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from quiver.errors import InputError
from quiver.evaluate.bitext import read_bitext
from quiver.evaluate.labelled import read_classification, read_clustering
from quiver.evaluate.meta import Meta, read_meta
from quiver.evaluate.pairs import read_instruction_pairs, read_pair_classification, read_similarity
from quiver.evaluate.ranking_files import read_reranking, read_retrieval
from quiver.evaluate.vectors import Embedding, Vectors
from quiver.results import Floats


class Task(Protocol):
    """One set of data and its protocol."""

    @property
    def meta(self) -> Meta:
        """What the set says about itself."""

    def embed(self, embedding: Embedding) -> dict[str, Floats]:
        """All vectors that the scores need."""

    def score(self, vectors: Vectors) -> dict[str, float]:
        """Scores by metric; the set's own is among them."""


READERS: dict[str, tuple[Callable[[Meta], Task], tuple[str, ...]]] = {
    "retrieval": (read_retrieval, ()),
    "reranking": (read_reranking, ()),
    "sts": (read_similarity, ("cosine_spearman", "cosine_pearson")),
    "pair_classification": (read_pair_classification, ("cosine_ap",)),
    "classification": (read_classification, ("accuracy", "f1", "ap")),
    "clustering": (read_clustering, ("v_measure",)),
    "bitext": (read_bitext, ("f1",)),
    "instruction_pairs": (read_instruction_pairs, ("pairwise_accuracy",)),
}
"""By type: how to read a folder, and its metrics (rankings check theirs themselves)."""


def read_task(folder: str | Path) -> Task:
    """Read a whole evaluation folder; raises InputError that names file and line."""
    meta = read_meta(Path(folder))
    where = meta.file("meta.json")
    if meta.type not in READERS:
        raise InputError(f"{where}: the type {meta.type!r} is not one of {', '.join(READERS)}")
    read, metrics = READERS[meta.type]
    if metrics and meta.metric not in metrics:
        raise InputError(f"{where}: {meta.metric!r} is no metric of {meta.type}; it has {', '.join(metrics)}")
    return read(meta)

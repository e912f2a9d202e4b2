"""Labelled texts: classification by a small classifier on the vectors, and clustering; both as in mteb."""

import random
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from quiver.errors import InputError
from quiver.evaluate.lines import read_tsv
from quiver.evaluate.meta import Meta
from quiver.evaluate.vectors import Embedding, Vectors
from quiver.results import Floats

SEED = 42
"""mteb's."""

TEXTS_PER_LABEL, EXPERIMENTS = 8, 10
"""mteb's classification: training texts of each label, and how often they are drawn anew."""

CLUSTERINGS, CLUSTERED, CLUSTERING_BATCH = 10, 16_384, 512
"""mteb's clustering: how often, of how many texts drawn with replacement, and in which batches."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """Texts and their labels."""

    texts: Sequence[str]
    labels: Sequence[str]


@dataclass(frozen=True, slots=True)
class ClassificationTask:
    """How well logistic regression on a few labelled vectors finds the labels of others."""

    meta: Meta
    train: Labelled
    test: Labelled

    def embed(self, embedding: Embedding) -> dict[str, Floats]:
        """The texts that some experiment draws, and those of the test."""
        drawn = [self.train.texts[i] for i in self._drawn()]
        return {
            "train": embedding.queries(drawn, self.meta.instruction),
            "test": embedding.queries(self.test.texts, self.meta.instruction),
        }

    def score(self, vectors: Vectors) -> dict[str, float]:
        """Mean accuracy, macro F1, and average precision where there are two labels."""
        from sklearn.linear_model import LogisticRegression

        row_of = {position: row for row, position in enumerate(self._drawn())}
        names = sorted({*self.train.labels, *self.test.labels})
        number = {name: i for i, name in enumerate(names)}
        gold = [number[label] for label in self.test.labels]
        scores: Counter[str] = Counter()
        for draw in draws(self.train.labels):
            classifier = LogisticRegression(max_iter=100, random_state=SEED)
            with _quiet():
                classifier.fit(
                    vectors["train"][[row_of[i] for i in draw]], [number[self.train.labels[i]] for i in draw]
                )
                scores.update(_classification_scores(gold, classifier.predict(vectors["test"]).tolist()))
        return {name: total / EXPERIMENTS for name, total in scores.items()}

    def _drawn(self) -> list[int]:
        return sorted({position for draw in draws(self.train.labels) for position in draw})


@dataclass(frozen=True, slots=True)
class ClusteringTask:
    """How well k-means on vectors finds the groups that the labels name."""

    meta: Meta
    test: Labelled

    def embed(self, embedding: Embedding) -> dict[str, Floats]:
        """All texts."""
        return {"test": embedding.queries(self.test.texts, self.meta.instruction)}

    def score(self, vectors: Vectors) -> dict[str, float]:
        """Mean V-measure of clusterings of random draws (mteb's ``AbsTaskClustering``)."""
        from sklearn.cluster import MiniBatchKMeans
        from sklearn.metrics import v_measure_score

        labels = np.array(self.test.labels)
        clustering = MiniBatchKMeans(
            n_clusters=len(set(self.test.labels)),
            batch_size=CLUSTERING_BATCH,
            init="k-means++",
            n_init=1,
            random_state=SEED,
        )
        generator = random.Random(SEED)
        scores = []
        for _ in range(CLUSTERINGS):
            drawn = generator.choices(range(len(labels)), k=CLUSTERED)
            with _quiet():
                found = clustering.fit_predict(vectors["test"][drawn])
            scores.append(v_measure_score(labels[drawn], found))
        return {"v_measure": float(np.mean(scores))}


def draws(labels: Sequence[str]) -> Iterator[list[int]]:
    """For each experiment the positions of a few texts of each label.

    Each draw shuffles the order that the last one left, by a generator of the same seed: mteb's way.
    """
    order = list(range(len(labels)))
    for _ in range(EXPERIMENTS):
        np.random.RandomState(SEED).shuffle(order)
        taken: Counter[str] = Counter()
        drawn = []
        for position in order:
            if taken[labels[position]] < TEXTS_PER_LABEL:
                taken[labels[position]] += 1
                drawn.append(position)
        yield drawn


def read_classification(meta: Meta) -> ClassificationTask:
    """Read ``train.tsv`` and ``test.tsv`` with text, label."""
    return ClassificationTask(meta, _read(meta, "train.tsv"), _read(meta, "test.tsv"))


def read_clustering(meta: Meta) -> ClusteringTask:
    """Read ``test.tsv`` with text, label."""
    return ClusteringTask(meta, _read(meta, "test.tsv"))


def _read(meta: Meta, name: str) -> Labelled:
    lines = list(read_tsv(meta.file(name), ("text", "label")))
    labels = [line.text("label") for line in lines]
    if len(set(labels)) < 2:
        raise InputError(f"{meta.file(name)}: there must be texts of two labels at least")
    return Labelled([line.text("text") for line in lines], labels)


def _classification_scores(gold: Sequence[int], found: Sequence[int]) -> dict[str, float]:
    from sklearn.metrics import accuracy_score, average_precision_score, f1_score

    scores = {"accuracy": accuracy_score(gold, found), "f1": f1_score(gold, found, average="macro")}
    if len(set(gold)) == 2:
        scores["ap"] = average_precision_score(gold, found, pos_label=max(gold))
    return {name: float(score) for name, score in scores.items()}


@contextmanager
def _quiet() -> Iterator[None]:
    """The protocol fixes iterations and clusters; advice to change them helps nobody."""
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield

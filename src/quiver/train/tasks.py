"""Tasks: rows to the sequences of a step, and what the network says of them to a loss."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from torch import Tensor

from quiver.results import Floats
from quiver.text.prompts import PromptedText
from quiver.train.losses import (
    ContrastiveBatch,
    cosine_distillation,
    listwise,
    similarity_distillation,
    yes_no,
)
from quiver.train.rows import TrainingRow
from quiver.train.scores import RerankingSet, RetrievalSet
from quiver.train.texts import EmbedderTexts, RerankerTexts

Batch = dict[str, Any]
"""``sequences``: token ids [length] each; the rest is what the loss needs to know about them."""

ReadEnds = Callable[[Sequence[Tensor]], Tensor]
"""Sequences to what the network says at their ends: [n, E] or [n, 2]."""


class Task(Protocol):
    """What is learnt."""

    def collate(self, rows: Sequence[TrainingRow]) -> Batch:
        """The sequences of one batch."""

    def loss(self, found: Tensor, batch: Batch) -> Tensor:
        """Of what the network said of the sequences, in their order: []."""

    def score(self, rows: Sequence[TrainingRow], read: ReadEnds) -> float:
        """nDCG@10 of the network on an evaluation set."""


def one_positive_each(rows: Sequence[TrainingRow]) -> list[TrainingRow]:
    """Rows with several positives become as many rows."""
    return [replace(row, positives=(positive,)) for row in rows for positive in row.positives]


def score_embedder(texts: EmbedderTexts, rows: Sequence[TrainingRow], read: ReadEnds) -> float:
    """nDCG@10 of every query against all documents of the rows."""
    found = RetrievalSet(rows)
    prompted = [*map(texts.query, found.queries), *map(texts.document, found.documents)]
    vectors = torch.nn.functional.normalize(read(texts.make(prompted)), dim=1).cpu().numpy()
    return found.score(vectors[: len(found.queries)], vectors[len(found.queries) :])


@dataclass(frozen=True, slots=True)
class Contrast:
    """An embedder learns which document belongs to which query."""

    texts: EmbedderTexts
    criterion: Callable[[ContrastiveBatch], Tensor]
    negatives: int
    """Hard negatives taken of each row, at most."""

    def collate(self, rows: Sequence[TrainingRow]) -> Batch:
        """Sequences of N queries, N positives and all hard negatives, and which documents are equal."""
        chosen = [row.negatives[: self.negatives] for row in rows]
        documents = [*(row.positives[0] for row in rows), *(text for some in chosen for text in some)]
        prompted: list[PromptedText] = [*map(self.texts.query, rows), *map(self.texts.document, documents)]
        positive_ids, negative_ids = number_documents(rows, chosen)
        return {
            "sequences": self.texts.make(prompted),
            "positive_ids": positive_ids,
            "negative_ids": negative_ids,
        }

    def loss(self, found: Tensor, batch: Batch) -> Tensor:
        """Of vectors [N queries + N positives + negatives, E]."""
        count, numbers = len(batch["positive_ids"]), batch["negative_ids"]
        queries, positives, rest = found[:count], found[count : 2 * count], found[2 * count :]
        negatives = found.new_ones(*numbers.shape, found.shape[1])
        negatives[numbers >= 0] = rest
        return self.criterion(ContrastiveBatch(queries, positives, negatives, batch["positive_ids"], numbers))

    def score(self, rows: Sequence[TrainingRow], read: ReadEnds) -> float:
        """nDCG@10 of every query against all documents of the rows."""
        return score_embedder(self.texts, rows, read)


def number_documents(
    rows: Sequence[TrainingRow], negatives: Sequence[Sequence[str]]
) -> tuple[Tensor, Tensor]:
    """Numbers of positives [N] and of negatives [N, K]; -1 stands where a row has fewer.

    Positives are numbered alike if their texts are equal or answer an equal query, and so are negatives that
    equal them.
    """
    group_of: dict[object, int] = {}
    for place, row in enumerate(rows):
        names = ((row.instruction, row.query), row.positives[0])
        met = {group_of[name] for name in names if name in group_of}
        if len(met) == 2:
            old, new = sorted(met)
            group_of.update({name: old for name, group in group_of.items() if group == new})
        group_of.update(dict.fromkeys(names, min(met, default=place)))
    positive_ids = torch.tensor([group_of[row.positives[0]] for row in rows])
    negative_ids = torch.full((len(rows), max(map(len, negatives), default=0)), -1)
    for place, texts in enumerate(negatives):
        for k, text in enumerate(texts):
            negative_ids[place, k] = group_of.setdefault(text, len(rows) + len(group_of))
    return positive_ids, negative_ids


@dataclass(frozen=True, slots=True)
class Imitation:
    """An embedder learns a teacher's vectors of queries and documents.

    The loss is the mean over ``dimensions`` of one minus the cosine to as many of the teacher's dimensions
    (those of them that the teacher has), and of the likeness between each query and every document of the
    batch, as the teacher sees it.
    """

    texts: EmbedderTexts
    teacher_queries: Mapping[tuple[str | None, str], Floats]
    teacher_documents: Mapping[str, Floats]
    dimensions: Sequence[int]
    temperature: float

    def collate(self, rows: Sequence[TrainingRow]) -> Batch:
        """Sequences of N queries and N positives, and the teacher's vectors of them."""
        documents = [row.positives[0] for row in rows]
        prompted = [*map(self.texts.query, rows), *map(self.texts.document, documents)]
        vectors = [self.teacher_queries[row.instruction, row.query] for row in rows]
        vectors += [self.teacher_documents[text] for text in documents]
        return {
            "sequences": self.texts.make(prompted),
            "teacher": torch.stack([torch.from_numpy(vector) for vector in vectors]).float(),
        }

    def loss(self, found: Tensor, batch: Batch) -> Tensor:
        """Of vectors [2 N, E]."""
        teacher, count = batch["teacher"], len(found) // 2
        wanted = (teacher[:count], teacher[count:])
        terms = []
        for dimension in self.dimensions:
            cut = found[:, :dimension]
            if dimension <= teacher.shape[1]:
                terms.append(cosine_distillation(cut, teacher[:, :dimension]))
            terms.append(similarity_distillation(cut[:count], cut[count:], *wanted, self.temperature))
        return torch.stack(terms).mean()

    def score(self, rows: Sequence[TrainingRow], read: ReadEnds) -> float:
        """nDCG@10 of every query against all documents of the rows."""
        return score_embedder(self.texts, rows, read)


@dataclass(frozen=True, slots=True)
class Judgement:
    """A reranker learns to say yes to a row's positives and no to its negatives."""

    texts: RerankerTexts
    negatives: int
    """Taken of each row, at most."""
    is_listwise: bool
    """Whether the documents of a row compete, instead of being judged one by one."""

    def collate(self, rows: Sequence[TrainingRow]) -> Batch:
        """Sequences of every row's documents, positives first; relevance and presence [N, D]."""
        documents = [(*row.positives, *row.negatives[: self.negatives]) for row in rows]
        width = max(map(len, documents))
        relevance, present = torch.zeros(len(rows), width), torch.zeros(len(rows), width, dtype=torch.bool)
        for place, (row, texts) in enumerate(zip(rows, documents, strict=True)):
            relevance[place, : len(row.positives)] = 1
            present[place, : len(texts)] = True
        pairs = [
            self.texts.pair(row, text) for row, texts in zip(rows, documents, strict=True) for text in texts
        ]
        return {"sequences": self.texts.make(pairs), "relevance": relevance, "present": present}

    def loss(self, found: Tensor, batch: Batch) -> Tensor:
        """Of logits [documents of all rows, 2]."""
        relevance, present = batch["relevance"], batch["present"]
        if not self.is_listwise:
            return yes_no(found, relevance[present])
        lists = found.new_zeros(*present.shape, 2)
        lists[present] = found
        return listwise(lists, relevance, present)

    def score(self, rows: Sequence[TrainingRow], read: ReadEnds) -> float:
        """nDCG@10 of each row's own documents."""
        found = RerankingSet(rows)
        logits = read(self.texts.make([self.texts.pair(row, text) for row, text in found.pairs]))
        return found.score((logits[:, 1] - logits[:, 0]).cpu().numpy())

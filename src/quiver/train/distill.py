"""Distillation: an embedder learns the vectors of a larger one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np

from quiver.embedder import Embedder
from quiver.errors import InputError
from quiver.models.checkpoint import open_checkpoint
from quiver.results import Floats
from quiver.train.embedder import checked_dimensions
from quiver.train.learn import Run, TrainingReport, learn
from quiver.train.rows import TrainingRow
from quiver.train.settings import TrainingSettings
from quiver.train.tasks import Imitation, one_positive_each
from quiver.train.texts import EmbedderTexts

Key = TypeVar("Key")


class Teacher(Protocol):
    """What can be learnt from; its name tells runs apart."""

    @property
    def name(self) -> str:
        """Of the model."""

    def queries(self, rows: Sequence[TrainingRow]) -> Floats:
        """Vectors of the rows' queries: [n, E]."""

    def documents(self, texts: Sequence[str]) -> Floats:
        """Vectors of documents: [n, E]."""


@dataclass(frozen=True, slots=True)
class EmbedderTeacher:
    """A larger model of the same kind, with its own prompts."""

    name: str
    embedder: Embedder

    def queries(self, rows: Sequence[TrainingRow]) -> Floats:
        """Vectors of the rows' queries, behind each row's instruction: [n, E]."""
        vectors = np.empty((len(rows), self.embedder.embedding_dim), np.float32)
        for own_prompt in (False, True):
            places = [place for place, row in enumerate(rows) if (row.instruction is None) == own_prompt]
            if places:
                vectors[places] = self.embedder.encode_query(
                    [rows[place].query for place in places],
                    instruction=None if own_prompt else [rows[place].instruction or "" for place in places],
                )
        return vectors

    def documents(self, texts: Sequence[str]) -> Floats:
        """Vectors of documents: [n, E]."""
        return np.asarray(self.embedder.encode_document(list(texts)))


@dataclass(frozen=True, slots=True, kw_only=True)
class ImitationSettings:
    """What the student learns by."""

    temperature: float = 0.05
    """Of the likeness between the texts of a batch."""
    dimensions: tuple[int, ...] | None = None
    """Lengths at which vectors are to work; None is all of it, a half, a quarter ... down to 64."""


def distill(
    rows: Sequence[TrainingRow],
    out: str | Path,
    *,
    teacher: Teacher | str | Path,
    model: str | Path | None = None,
    evaluation: Sequence[TrainingRow] = (),
    imitation: ImitationSettings | None = None,
    settings: TrainingSettings | None = None,
    quiet: bool = False,
) -> TrainingReport | None:
    """Teach ``model`` (None: the built-in one) the teacher's vectors and write it to ``out``, a new folder.

    Rows need no negatives. Where the student has no more dimensions than the teacher, its vectors become the
    beginnings of the teacher's. The teacher embeds every text once, before the first step; the same call goes
    on with a run that was stopped. Otherwise as ``train_embedder``.
    """
    imitation, settings = imitation or ImitationSettings(), settings or TrainingSettings()
    base = open_checkpoint(model, "embedder")
    texts = EmbedderTexts.of(base, settings.max_length)
    if isinstance(teacher, str | Path):
        embedder = Embedder(teacher, max_length=settings.max_length, on_too_long="truncate")
        teacher = EmbedderTeacher(str(teacher), embedder)
    if imitation.temperature <= 0:
        raise InputError("the temperature must be above 0")
    single = one_positive_each(rows)
    queries = {(row.instruction, row.query): row for row in single}
    documents = list(dict.fromkeys(row.positives[0] for row in single))
    task = Imitation(
        texts,
        _by_key(list(queries), teacher.queries(list(queries.values()))),
        _by_key(documents, teacher.documents(documents)),
        checked_dimensions(imitation.dimensions, base.config.hidden_size),
        imitation.temperature,
    )
    return learn(
        Run(
            base=base,
            texts=texts,
            task=task,
            rows=single,
            evaluation=evaluation,
            settings=settings,
            out=Path(out),
            description=f"{teacher.name} {imitation!r}",
            quiet=quiet,
        )
    )


def _by_key(keys: Sequence[Key], vectors: Floats) -> Mapping[Key, Floats]:
    return dict(zip(keys, vectors, strict=True))

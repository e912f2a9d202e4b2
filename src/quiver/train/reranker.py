"""Training a reranker: "yes" for positives, "no" for negatives (the report, section 3)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from quiver.errors import InputError
from quiver.models.checkpoint import open_checkpoint
from quiver.train.learn import Run, TrainingReport, learn
from quiver.train.rows import TrainingRow
from quiver.train.settings import TrainingSettings
from quiver.train.tasks import Judgement
from quiver.train.texts import RerankerTexts


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgementSettings:
    """What the reranker learns by."""

    negatives: int = 7
    """Taken of each row, at most."""
    listwise: bool = False
    """Whether the documents of a row compete, instead of being judged one by one."""


def train_reranker(
    rows: Sequence[TrainingRow],
    out: str | Path,
    *,
    model: str | Path | None = None,
    evaluation: Sequence[TrainingRow] = (),
    judgement: JudgementSettings | None = None,
    settings: TrainingSettings | None = None,
    quiet: bool = False,
) -> TrainingReport | None:
    """Train ``model`` (None: the built-in one) on rows with negatives and write it to ``out``, a new folder.

    The same call goes on with a run that was stopped. ``evaluation`` is scored before, during and after, and
    the best weights are kept. The processes of torchrun but the first return None. Raises InputError for rows
    without any negative or a folder that holds something else, TrainingError if the trained model must not be
    used.
    """
    judgement, settings = judgement or JudgementSettings(), settings or TrainingSettings()
    if not any(row.negatives for row in rows) or judgement.negatives < 1:
        raise InputError("without negatives a reranker learns to say yes: mine some (quiver train mine)")
    base = open_checkpoint(model, "reranker")
    texts = RerankerTexts.of(base, settings.max_length)
    return learn(
        Run(
            base=base,
            texts=texts,
            task=Judgement(texts, judgement.negatives, judgement.listwise),
            rows=list(rows),
            evaluation=evaluation,
            settings=settings,
            out=Path(out),
            description=repr(judgement),
            quiet=quiet,
        )
    )

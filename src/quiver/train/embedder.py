"""Training an embedder: contrast with hard negatives and the rest of the batch (the report, section 3)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from quiver.errors import InputError
from quiver.models.checkpoint import open_checkpoint
from quiver.train.learn import Run, TrainingReport, learn
from quiver.train.losses import InfoNCE, Matryoshka
from quiver.train.rows import TrainingRow
from quiver.train.settings import TrainingSettings
from quiver.train.tasks import Contrast, one_positive_each
from quiver.train.texts import EmbedderTexts

SMALLEST_DEFAULT_DIMENSION = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class ContrastSettings:
    """What the embedder learns by; defaults are the report's where it states them."""

    temperature: float = 0.02
    margin: float | None = 0.1
    """Documents that score this much above the positive are no negatives; None lets all be."""
    within: bool = True
    """Other queries, and other documents seen from the positive, are negatives too, as in the report."""
    negatives: int = 7
    """Hard negatives taken of each row, at most."""
    dimensions: tuple[int, ...] | None = None
    """Lengths at which vectors are to work (Matryoshka); None is all, a half, a quarter ... down to 64."""

    def __post_init__(self) -> None:
        if self.temperature <= 0 or self.negatives < 0:
            raise InputError("the temperature must be above 0, and negatives at least 0")


def train_embedder(
    rows: Sequence[TrainingRow],
    out: str | Path,
    *,
    model: str | Path | None = None,
    evaluation: Sequence[TrainingRow] = (),
    contrast: ContrastSettings | None = None,
    settings: TrainingSettings | None = None,
    quiet: bool = False,
) -> TrainingReport | None:
    """Train ``model`` (None: the built-in one) on rows and write it to ``out``, a new folder.

    The same call goes on with a run that was stopped. ``evaluation`` is scored before, during and after, and
    the best weights are kept. The processes of torchrun but the first return None. Raises InputError for a
    folder that holds something else, TrainingError if the trained model must not be used.
    """
    contrast, settings = contrast or ContrastSettings(), settings or TrainingSettings()
    base = open_checkpoint(model, "embedder")
    dimensions = checked_dimensions(contrast.dimensions, base.config.hidden_size)
    texts = EmbedderTexts.of(base, settings.max_length)
    criterion = Matryoshka(InfoNCE(contrast.temperature, contrast.margin, contrast.within), dimensions)
    return learn(
        Run(
            base=base,
            texts=texts,
            task=Contrast(texts, criterion, contrast.negatives),
            rows=one_positive_each(rows),
            evaluation=evaluation,
            settings=settings,
            out=Path(out),
            description=repr(contrast),
            quiet=quiet,
        )
    )


def checked_dimensions(dimensions: Sequence[int] | None, width: int) -> tuple[int, ...]:
    """The dimensions to train at, whole vectors first; raises InputError for ones that cannot be."""
    if dimensions is None:
        halves = [width >> n for n in range(width.bit_length())]
        return (width, *(half for half in halves[1:] if half >= SMALLEST_DEFAULT_DIMENSION))
    if not dimensions or not all(0 < dimension <= width for dimension in dimensions):
        raise InputError(f"dimensions must lie between 1 and {width}, not {list(dimensions)}")
    return tuple(sorted(set(dimensions), reverse=True))

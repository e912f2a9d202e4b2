"""The gate: a baseline of scores, and whether a precision, a merge or a new version falls short of it.

A baseline names sets and variants (``""``, ``@128``, ``+ reranker``), not models: what is measured against it
is usually another one.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from quiver.errors import InputError
from quiver.evaluate.interval import Interval
from quiver.evaluate.results import Result
from quiver.evaluate.scores import TaskScore, paired_interval
from quiver.whole_file import write_whole

FORMAT = "quiver baseline 1"
ALLOWED_LOSS = 0.005
DIGITS = 6
"""Of the numbers in a baseline file, so that making it again changes nothing."""

RERANKED = "+ reranker"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One score that a gate looks at."""

    set: str
    variant: str
    """What was done with the model: nothing, ``@N`` for vectors cut to N values, ``+ reranker``."""
    metric: str
    score: float
    data: str
    """Digest of the data: scores of other data do not compare."""
    by_query: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """What must not be lost, and how much of each score may be."""

    allowed_loss: float
    scores: Sequence[Measured]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One score of the baseline beside the new one."""

    baseline: Measured
    score: float | None
    """None if the run has no such score."""
    change: Interval | None
    """Where new minus old lies by resampling the queries of both; None where queries have no scores."""
    allowed_loss: float

    @property
    def loss(self) -> float:
        """Old minus new; infinite without a new one."""
        return float("inf") if self.score is None else self.baseline.score - self.score

    @property
    def passed(self) -> bool:
        """Whether the loss is allowed."""
        return self.loss <= self.allowed_loss


def measured(results: Iterable[Result], system: str) -> list[Measured]:
    """The results of one system and its variants."""
    found = []
    for result in results:
        variant = _variant(result.system, system)
        if variant is not None:
            found.append(
                Measured(
                    set=result.set,
                    variant=variant,
                    metric=result.metric,
                    score=result.score,
                    data=result.data,
                    by_query=result.by_query,
                )
            )
    return found


def measured_tasks(scores: Iterable[TaskScore], variant: str = "") -> list[Measured]:
    """The scores of a run of mteb, whose queries are told apart by their part too."""
    return [
        Measured(
            set=score.task,
            variant=variant,
            metric="main_score",
            score=score.score,
            data="",
            by_query={
                f"{part}/{query}": value
                for part, queries in score.by_query.items()
                for query, value in queries.items()
            },
        )
        for score in scores
    ]


def write_baseline(path: Path, scores: Sequence[Measured], *, allowed_loss: float = ALLOWED_LOSS) -> None:
    """Keep scores as what later runs must reach; raises InputError if there are none."""
    if not scores:
        raise InputError(f"there are no scores to write to {path}")
    records = [asdict(score) | {"score": round(score.score, DIGITS)} for score in scores]
    for record in records:
        record["by_query"] = {query: round(value, DIGITS) for query, value in record["by_query"].items()}
    content = {"format": FORMAT, "allowed_loss": allowed_loss, "scores": records}
    try:
        write_whole(path, [json.dumps(content, indent=1, ensure_ascii=False), "\n"])
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}") from error


def read_baseline(path: Path) -> Baseline:
    """Read what ``write_baseline`` wrote; raises InputError for anything else."""
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise InputError(f"cannot read the baseline {path}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is no baseline: {error}; make one with --write-baseline") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise InputError(f"{path} is no baseline of this version; make one with --write-baseline")
    names = {each.name for each in fields(Measured)}
    records = content.get("scores", [])
    if not all(isinstance(record, dict) and set(record) == names for record in records):
        raise InputError(f"{path}: a score lacks fields or has others; make it anew with --write-baseline")
    return Baseline(
        allowed_loss=float(content.get("allowed_loss", ALLOWED_LOSS)),
        scores=[Measured(**record) for record in records],
    )


def judge(baseline: Baseline, scores: Sequence[Measured]) -> list[Verdict]:
    """Every score of the baseline beside its counterpart; sets that only the run has are not looked at.

    Raises InputError if a set's data or metric are not those of the baseline.
    """
    new = {(score.set, score.variant): score for score in scores}
    return [_verdict(old, new.get((old.set, old.variant)), baseline.allowed_loss) for old in baseline.scores]


def _verdict(old: Measured, new: Measured | None, allowed_loss: float) -> Verdict:
    if new is not None and (old.data, old.metric) != (new.data, new.metric):
        raise InputError(
            f"{old.set}: its data or metric are not those of the baseline; make it anew with --write-baseline"
        )
    # The file's numbers are rounded: a score must not fall short of itself.
    score = None if new is None else round(new.score, DIGITS)
    change = None if new is None else paired_interval(_as_task(old), _as_task(new))
    return Verdict(baseline=old, score=score, change=change, allowed_loss=allowed_loss)


def _as_task(score: Measured) -> TaskScore:
    parts = {"": dict(score.by_query)} if score.by_query else {}
    return TaskScore(task=score.set, type="", score=score.score, by_query=parts)


def _variant(label: str, system: str) -> str | None:
    """What follows the system's name in a result's label; None for another system's."""
    if label == system:
        return ""
    if label.startswith(f"{system}@"):
        return label.removeprefix(system)
    return RERANKED if label.startswith(f"{system} + ") else None

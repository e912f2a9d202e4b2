"""Pairs: similarity (STS), pair classification, and which of two instructions brings a pair closer."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from quiver.errors import InputError
from quiver.evaluate.lines import Line, read_jsonl, read_tsv
from quiver.evaluate.meta import Meta
from quiver.evaluate.vectors import Embedding, Vectors, cosines
from quiver.results import Floats

CONDITION = "{condition}"
"""What an instruction template holds where a row's condition goes."""


@dataclass(frozen=True, slots=True)
class _Pairs:
    """Pairs of texts and a number for each; both stand behind the instruction, as Qwen3 was evaluated."""

    meta: Meta
    first: Sequence[str]
    second: Sequence[str]
    values: Sequence[float]

    def embed(self, embedding: Embedding) -> dict[str, Floats]:
        """Both sides in one call, so that repeated texts run once."""
        rows = embedding.queries([*self.first, *self.second], self.meta.instruction)
        return {"first": rows[: len(self.first)], "second": rows[len(self.first) :]}


class SimilarityTask(_Pairs):
    """How well cosines follow people's scores."""

    def score(self, vectors: Vectors) -> dict[str, float]:
        """Spearman's and Pearson's correlation."""
        from scipy.stats import pearsonr, spearmanr

        found = cosines(vectors["first"], vectors["second"])
        return {
            "cosine_spearman": float(spearmanr(self.values, found).statistic),
            "cosine_pearson": float(pearsonr(self.values, found).statistic),
        }


class PairClassificationTask(_Pairs):
    """How well cosines tell pairs that belong together from those that do not."""

    def score(self, vectors: Vectors) -> dict[str, float]:
        """Average precision over all thresholds."""
        from sklearn.metrics import average_precision_score

        found = cosines(vectors["first"], vectors["second"])
        return {"cosine_ap": float(average_precision_score(self.values, found))}


@dataclass(frozen=True, slots=True)
class InstructionPairsTask:
    """Pairs that are more alike under one condition than under another: does the instruction count?"""

    meta: Meta
    first: Sequence[str]
    second: Sequence[str]
    high: Sequence[str]
    """The instruction under which each pair is more alike."""
    low: Sequence[str]

    def embed(self, embedding: Embedding) -> dict[str, Floats]:
        """Both texts behind both instructions."""
        sides = {"first": self.first, "second": self.second}
        instructions = {"high": self.high, "low": self.low}
        return {
            f"{side} {level}": embedding.queries(texts, before)
            for level, before in instructions.items()
            for side, texts in sides.items()
        }

    def score(self, vectors: Vectors) -> dict[str, float]:
        """The share of pairs that are closer under the right instruction; a tie is wrong."""
        high, low = (cosines(vectors[f"first {it}"], vectors[f"second {it}"]) for it in ("high", "low"))
        return {"pairwise_accuracy": float(np.mean(high > low))}


def read_similarity(meta: Meta) -> SimilarityTask:
    """Read ``pairs.tsv`` with sentence1, sentence2, score."""
    lines = list(read_tsv(meta.file("pairs.tsv"), ("sentence1", "sentence2", "score")))
    values = [_number(line, "score") for line in lines]
    _check_two_values(values, meta)
    return SimilarityTask(meta, *_sentences(lines), values)


def read_pair_classification(meta: Meta) -> PairClassificationTask:
    """Read ``pairs.tsv`` with sentence1, sentence2, label."""
    lines = list(read_tsv(meta.file("pairs.tsv"), ("sentence1", "sentence2", "label")))
    values = [_number(line, "label") for line in lines]
    for line, value in zip(lines, values, strict=True):
        if value not in (0, 1):
            raise InputError(f"{line.where}: the label {value:g} is neither 0 nor 1")
    _check_two_values(values, meta)
    return PairClassificationTask(meta, *_sentences(lines), values)


def read_instruction_pairs(meta: Meta) -> InstructionPairsTask:
    """Read ``rows.jsonl`` with sentence1, sentence2, condition_high, condition_low."""
    template = meta.instruction or ""
    if CONDITION not in template:
        raise InputError(f"{meta.file('meta.json')}: the instruction has no {CONDITION}")
    lines = list(read_jsonl(meta.file("rows.jsonl")))
    if not lines:
        raise InputError(f"{meta.file('rows.jsonl')} is empty")
    high, low = (
        [template.replace(CONDITION, line.text(f"condition_{level}")) for line in lines]
        for level in ("high", "low")
    )
    return InstructionPairsTask(meta, *_sentences(lines), high, low)


def _sentences(lines: Sequence[Line]) -> tuple[list[str], list[str]]:
    return [line.text("sentence1") for line in lines], [line.text("sentence2") for line in lines]


def _number(line: Line, name: str) -> float:
    text = line.text(name)
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"{line.where}: the {name} {text[:40]!r} is not a number")
    return value


def _check_two_values(values: Sequence[float], meta: Meta) -> None:
    if len(set(values)) < 2:
        raise InputError(
            f"{meta.file('pairs.tsv')}: all rows say the same, which leaves nothing to tell apart"
        )

"""Tuning: advice on settings, drawn from one's own labels.

>>> from quiver import Embedder
>>> from quiver.evaluate.tune import read_labels, tune_dims
>>> labels = read_labels("labels.csv", corpus=["documents.jsonl"])
>>> advice = tune_dims(labels, {"float32": Embedder(dtype="float32")}, loss=0.02)
>>> print(advice.recommended, advice.verdict, advice.python)

A setting is chosen on half of the queries and checked on the other half, which had no part in the choice. It
is recommended only if it holds there; otherwise the default is. Needs the extra ``quiver-embed[evaluate]``.
"""

from quiver.evaluate.tune.advice import Advice, Verdict
from quiver.evaluate.tune.depth import tune_depth
from quiver.evaluate.tune.dims import DimsChoice, tune_dims
from quiver.evaluate.tune.instruction import USUAL_INSTRUCTIONS, Candidate, tune_instruction
from quiver.evaluate.tune.labels import read_labels
from quiver.evaluate.tune.threshold import tune_threshold

__all__ = [
    "USUAL_INSTRUCTIONS",
    "Advice",
    "Candidate",
    "DimsChoice",
    "Verdict",
    "read_labels",
    "tune_depth",
    "tune_dims",
    "tune_instruction",
    "tune_threshold",
]

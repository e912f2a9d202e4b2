"""Doctor: is an installed model whole, and does it give the numbers it should?"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from quiver.embedder import Embedder
from quiver.errors import QuiverError
from quiver.models import catalog
from quiver.models.checkpoint import Checkpoint, open_checkpoint
from quiver.reranker import Reranker
from quiver.results import Floats
from quiver.text import prompts
from quiver.text.tokenizer import END_TOKEN

QUERIES = ("What is the capital of China?", "Explain gravity")
DOCUMENTS = (
    "The capital of China is Beijing.",
    "Gravity is a force that attracts two bodies towards each other. It gives weight to physical objects "
    "and is responsible for the movement of planets around the sun.",
)

PUBLISHED_GOLDENS: dict[str, list[list[float]]] = {
    "Qwen3-Embedding-0.6B": [[0.7646, 0.1414], [0.1355, 0.6000]],
}
"""Scores of QUERIES against DOCUMENTS as model cards print them, to four digits."""

GOLDEN_TOLERANCE = {"float32": 1e-3}
NARROW_GOLDEN_TOLERANCE = 2e-2
INVARIANCE_TOLERANCE = {"float32": 1e-5}
NARROW_INVARIANCE_TOLERANCE = 1e-2


@dataclass(frozen=True, slots=True)
class Check:
    """One finding; ``passed`` is None where the check does not apply to the model."""

    name: str
    passed: bool | None
    detail: str


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """All findings about one model."""

    model: str
    kind: str
    fingerprint: str
    checks: list[Check]

    @property
    def healthy(self) -> bool:
        """Whether no check failed."""
        return all(check.passed is not False for check in self.checks)


def examine(model: str | Path | None = None, *, device: str | None = None, dtype: str = "auto") -> Diagnosis:
    """Check a model's files, end token, prompts, finite and batch-invariant results, and golden scores.

    Raises CheckpointError or DeviceError if the model cannot be opened at all.
    """
    checkpoint = open_checkpoint(model)
    kind = Embedder if checkpoint.kind == "embedder" else Reranker
    return examine_opened(kind(model if model is not None else checkpoint.name, device=device, dtype=dtype))


def examine_opened(model: Embedder | Reranker) -> Diagnosis:
    """The same for a model that is open already."""
    checkpoint = model.checkpoint
    files = Check("files", True, f"{len(checkpoint.tensors)} tensors, {_precision_in_file(checkpoint)}")
    if isinstance(model, Embedder):
        findings = [files, *_examine_embedder(checkpoint, model)]
    else:
        findings = [files, *_examine_reranker(checkpoint, model)]
    return Diagnosis(checkpoint.name, checkpoint.kind, str(model.fingerprint), findings)


def golden_scores(model: Embedder | Reranker) -> Floats:
    """Scores of QUERIES against DOCUMENTS: cosines, or probabilities of "yes"; [2, 2]."""
    if isinstance(model, Embedder):
        return model.similarity(model.encode_query(QUERIES), model.encode_document(DOCUMENTS))
    pairs = [(query, document) for query in QUERIES for document in DOCUMENTS]
    return np.asarray(model.predict(pairs)).reshape(len(QUERIES), len(DOCUMENTS))


def _examine_embedder(checkpoint: Checkpoint, embedder: Embedder) -> Iterator[Check]:
    samples = ["", "a", f"closed {END_TOKEN}", "<|im_end|>", DOCUMENTS[1]]
    end = embedder.tokenize([""])[0][-1]
    closed = all(np.count_nonzero(ids == end) == 1 and ids[-1] == end for ids in embedder.tokenize(samples))
    yield Check("end token", closed, f"exactly one {END_TOKEN} closes every text")
    published = prompts.query_prompt(prompts.DEFAULT_INSTRUCTION)
    usual = embedder.prompts.query == published and not embedder.prompts.document
    yield Check("engine", True, f"{embedder.precision} on {embedder.device}")
    yield Check("prompt", True, "as published" if usual else f"its own: {embedder.prompts.query!r}")
    try:
        together = embedder.encode_query([*QUERIES, *DOCUMENTS])
    except QuiverError as error:
        yield Check("finite", False, str(error))
        return
    yield Check("finite", True, "no NaN or infinity")
    alone = np.stack([np.asarray(embedder.encode_query(text)) for text in (*QUERIES, *DOCUMENTS)])
    yield _invariance(np.asarray(together), alone, embedder.fingerprint.precision)
    yield _golden(checkpoint, golden_scores(embedder), embedder.fingerprint.precision)


def _examine_reranker(checkpoint: Checkpoint, reranker: Reranker) -> Iterator[Check]:
    ids = reranker.tokenize([("<|im_end|>", "<|im_end|>")])[0]
    template = prompts.RERANKER_PREFIX + prompts.RERANKER_SUFFIX
    turns = int(np.count_nonzero(ids == reranker.turn_end))
    expected = template.count("<|im_end|>")
    yield Check("engine", True, f"{reranker.precision} on {reranker.device}")
    yield Check("template", turns == expected, f"{expected} turns end, whatever the texts contain")
    pairs = [(query, document) for query in QUERIES for document in DOCUMENTS]
    try:
        together = reranker.predict(pairs)
    except QuiverError as error:
        yield Check("finite", False, str(error))
        return
    yield Check("finite", True, "no NaN or infinity")
    alone = np.concatenate([np.asarray(reranker.predict([pair])) for pair in pairs])
    yield _invariance(np.asarray(together), alone, reranker.fingerprint.precision)
    yield _golden(checkpoint, golden_scores(reranker), reranker.fingerprint.precision)


def _invariance(together: Floats, alone: Floats, precision: str) -> Check:
    difference = float(np.abs(together - alone).max())
    allowed = INVARIANCE_TOLERANCE.get(precision, NARROW_INVARIANCE_TOLERANCE)
    detail = f"alone and in a batch differ by {difference:.1e} (at most {allowed:.0e} allowed)"
    return Check("batch invariance", difference <= allowed, detail)


def _golden(checkpoint: Checkpoint, scores: Floats, precision: str) -> Check:
    shown = np.array2string(scores, precision=4, separator=", ").replace("\n", "")
    wanted = _stored_golden(checkpoint)
    if wanted is None:
        right = bool(scores[0, 0] > scores[0, 1] and scores[1, 1] > scores[1, 0])
        sense = "right documents first" if right else "right documents NOT first: untrained or damaged?"
        return Check("golden scores", None, f"none known for this model; {shown}, {sense}")
    difference = float(np.abs(scores - np.asarray(wanted)).max())
    allowed = GOLDEN_TOLERANCE.get(precision, NARROW_GOLDEN_TOLERANCE)
    detail = f"{shown} differ by {difference:.1e} from {wanted} (at most {allowed:.0e} allowed)"
    return Check("golden scores", difference <= allowed, detail)


def _stored_golden(checkpoint: Checkpoint) -> Sequence[Sequence[float]] | None:
    path = checkpoint.folder / "golden.json"
    if checkpoint.folder.parent == catalog.BUILTIN_FOLDER and path.exists():
        stored: Any = json.loads(path.read_bytes())
        golden: list[list[float]] = stored["scores"]
        return golden
    return PUBLISHED_GOLDENS.get(Path(checkpoint.name).name)


def _precision_in_file(checkpoint: Checkpoint) -> str:
    return "/".join(sorted({entry.dtype for entry in checkpoint.tensors.values()}))

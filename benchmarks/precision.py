"""Precision: vectors, rankings and scores in bfloat16 and int8 beside float32: trained weights, real texts.

Reads retrieval sets from ``--data`` (formats: ``docs/evaluation.md``; nothing of them is part of the
project). Every text of a set is embedded in each precision; nDCG@10 is compared set by set; the reranker
scores the best documents of the first queries. Where the processor has no units for bfloat16, the native
engine computes in float32 with weights of bfloat16; what those units would give is simulated on some texts.

Fails (exit 1) where a precision misses its target. Costs three times the embedding of the sets: some minutes.
"""

import argparse
import sys
from dataclasses import dataclass, field
from heapq import nlargest
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.bfloat16 import RoundedModel
from benchmarks.command import BenchmarkError, Report, new_parser, run, use_threads, write_json
from benchmarks.quality import RERANKED, SELECTION
from quiver import Embedder, Reranker
from quiver.engine.stored import read_head
from quiver.evaluate.ranking import RankingTask
from quiver.evaluate.tasks import read_task
from quiver.evaluate.vectors import Embedding, cut_to
from quiver.models.checkpoint import open_checkpoint
from quiver.results import Floats

SETS = tuple(name for group, names in SELECTION.items() if "etrieval" in group for name in names)


class Target(NamedTuple):
    """What a precision promises against float32."""

    cosine: float
    points: float
    score: float


TARGETS = {"bfloat16": Target(0.9995, 0.3, 0.01), "int8": Target(0.995, 0.5, 0.03)}
SIMULATED = "bfloat16 arithmetic (simulated)"


@dataclass(slots=True)
class Found:
    """What was measured of one precision."""

    target: Target
    cosines: list[Floats] = field(default_factory=list)
    points: list[float] = field(default_factory=list)
    """Of each set: nDCG@10 less that of float32, times 100"""
    scores: list[float] = field(default_factory=list)
    """Of each set: the largest difference of a score"""

    def record(self) -> dict[str, float | bool]:
        """The worst of each, and whether that lies within the target."""
        cosines = np.concatenate(self.cosines)
        smallest, points, score = (
            float(cosines.min()),
            max(map(abs, self.points), default=0.0),
            max(self.scores),
        )
        target = self.target
        meets = smallest >= target.cosine and points <= target.points and score <= target.score
        return {
            "texts": len(cosines),
            "smallest cosine": smallest,
            "mean cosine": float(cosines.mean()),
            "largest difference of nDCG@10": points,
            "largest difference of a score": score,
            "meets": meets,
        }


@dataclass(slots=True)
class Sample:
    """Texts and pairs for the simulation."""

    texts: list[str] = field(default_factory=list)
    pairs: list[tuple[str, str]] = field(default_factory=list)


def main() -> int:
    """Compare the precisions on every set."""
    options = _parse()
    use_threads(options.threads)
    models = {precision: _models(options, precision) for precision in ("float32", *TARGETS)}
    found = {precision: Found(target) for precision, target in TARGETS.items()}
    by_set = Report("nDCG@10 by set, in points", ["set", "float32", *TARGETS])
    sample = Sample()
    for name in options.sets:
        print(f"{name} ...", file=sys.stderr, flush=True)
        _compare(_read(options.data / name), models, options.queries, found, by_set, sample)
    if options.simulated:
        found[SIMULATED] = _simulate(options, models["float32"], sample)
    summary = _summary(found)
    for report in (summary, by_set):
        report.show()
    write_json(options.json, [summary, by_set])
    return 0 if all(record["meets"] for record in summary.records) else 1


def _parse() -> argparse.Namespace:
    parser = new_parser(
        "precision",
        "Compare bfloat16 and int8 with float32 on real texts.",
        "python -m benchmarks.precision --data eval/open",
    )
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder of evaluation sets")
    parser.add_argument("--sets", nargs="+", default=SETS, metavar="NAME", help="retrieval sets")
    parser.add_argument("--embedder", help="a model name or folder (default: built in)")
    parser.add_argument("--reranker", help="a model name or folder (default: built in)")
    parser.add_argument("--max-length", type=int, default=512, help="tokens that longer texts are cut to")
    parser.add_argument("--queries", type=int, default=20, help="queries a set to rerank")
    parser.add_argument(
        "--simulated", type=int, default=20, help="texts and pairs a set in simulated bfloat16 (0: none)"
    )
    return parser.parse_args()


class Models(NamedTuple):
    """The models in one precision."""

    embedder: Embedder
    reranker: Reranker


def _models(options: argparse.Namespace, precision: str) -> Models:
    settings = {
        "dtype": precision,
        "threads": options.threads,
        "max_length": options.max_length,
        "on_too_long": "truncate",
    }
    return Models(Embedder(options.embedder, **settings), Reranker(options.reranker, **settings))


def _read(folder: Path) -> RankingTask:
    task = read_task(folder)
    if not isinstance(task, RankingTask) or task.meta.type != "retrieval":
        raise BenchmarkError(f"{folder} is of type {task.meta.type!r}; only retrieval sets are compared here")
    return task


def _compare(
    task: RankingTask,
    models: dict[str, Models],
    queries: int,
    found: dict[str, Found],
    by_set: Report,
    sample: Sample,
) -> None:
    """One set in every precision, beside float32."""
    name, instruction = task.meta.name, task.meta.instruction
    vectors = {
        precision: cut_to(task.embed(Embedding(embedder, show_progress_bar=None)), None)
        for precision, (embedder, _) in models.items()
    }
    rankings = {precision: task.ranked_by_vectors(each) for precision, each in vectors.items()}
    points = {precision: 100 * task.measure(run)["ndcg@10"] for precision, run in rankings.items()}
    texts = dict(zip(task.document_ids, task.documents, strict=True))
    best = [nlargest(RERANKED, run, key=run.__getitem__) for run in rankings["float32"].values()]
    pairs = [
        (query, texts[document])
        for query, documents in zip(task.queries[:queries], best, strict=False)
        for document in documents
    ]
    scores = {p: reranker.predict(pairs, instruction=instruction) for p, (_, reranker) in models.items()}
    for precision, measured in found.items():
        measured.cosines += [
            _cosines(wide, vectors[precision][part]) for part, wide in vectors["float32"].items()
        ]
        measured.points.append(points[precision] - points["float32"])
        measured.scores.append(_largest_difference(scores[precision], scores["float32"]))
    by_set.add([name, *(f"{value:.2f}" for value in points.values())], {"set": name} | points)
    sample.texts += task.documents
    sample.pairs += pairs


def _simulate(options: argparse.Namespace, models: Models, sample: Sample) -> Found:
    """Some of the texts and pairs in simulated bfloat16 arithmetic."""
    random = np.random.default_rng(0)
    count = options.simulated * len(options.sets)
    embedder, reranker = models
    measured = Found(TARGETS["bfloat16"])

    texts = [sample.texts[i] for i in random.permutation(len(sample.texts))[:count]]
    chosen = [
        (t, s) for t, s in zip(texts, embedder.tokenize(texts), strict=True) if len(s) <= options.max_length
    ]
    rounded = RoundedModel(open_checkpoint(options.embedder, "embedder").folder)
    wide = np.asarray(embedder.encode_document([text for text, _ in chosen]))
    measured.cosines.append(_cosines(wide, rounded.rows([sequence for _, sequence in chosen])))

    some = [sample.pairs[i] for i in random.permutation(len(sample.pairs))[:count]]
    pairs = [
        (p, s) for p, s in zip(some, reranker.tokenize(some), strict=True) if len(s) <= options.max_length
    ]
    checkpoint = open_checkpoint(options.reranker, "reranker")
    head = read_head(checkpoint, (reranker.answer_ids["no"], reranker.answer_ids["yes"]))
    if head is not None:
        odds = RoundedModel(checkpoint.folder).rows([s for _, s in pairs]) @ (head[1] - head[0])
        measured.scores.append(
            _largest_difference(1 / (1 + np.exp(-odds)), reranker.predict([pair for pair, _ in pairs]))
        )
    return measured


def _cosines(first: Floats, second: Floats) -> Floats:
    products = (first.astype(np.float64) * second).sum(axis=1)
    cosines: Floats = products / (np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1))
    return cosines


def _largest_difference(first: Floats, second: Floats) -> float:
    return float(np.abs(np.asarray(first) - np.asarray(second)).max())


def _summary(found: dict[str, Found]) -> Report:
    columns = ["precision", "texts", "smallest cosine", "mean cosine", "nDCG@10", "score", "meets its target"]
    report = Report(
        "Beside float32: cosines, and the largest differences of nDCG@10 (points) and of a score", columns
    )
    for precision, measured in found.items():
        record = measured.record()
        report.add(
            [
                precision,
                f"{record['texts']:,}",
                f"{record['smallest cosine']:.5f}",
                f"{record['mean cosine']:.5f}",
                f"{record['largest difference of nDCG@10']:.2f}" if measured.points else "–",
                f"{record['largest difference of a score']:.4f}",
                "yes" if record["meets"] else "no",
            ],
            {"precision": precision} | record,
        )
    return report


if __name__ == "__main__":
    run(main)

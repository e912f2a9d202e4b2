"""Ablations: the report's recipe at the built-in model's scale, whole and with one part left out at a time.

Weakly related pairs first (headings of one documentation and their sections), then pairs of the domain with
mined negatives, then a spherical merge of the last checkpoints; the questions are written by people and
never seen, nor are rows like the domain's that were set aside. The last layer alone learns, which is what a
processor has time for. The report's own ablations are its table 5 and figure 4 (arXiv:2506.05176,
section 4.3).
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.command import Report, new_parser, run, write_json
from quiver import Embedder
from quiver.evaluate import evaluate
from quiver.train.embedder import ContrastSettings, train_embedder
from quiver.train.merge import merge
from quiver.train.rows import read_rows
from quiver.train.scores import RetrievalSet
from quiver.train.settings import TrainingSettings

METRIC = "ndcg@10"
SNAPSHOTS = 3
AS_PUBLISHED = ContrastSettings()


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One way from the built-in embedder to a trained one."""

    weak: bool = True
    contrast: ContrastSettings = AS_PUBLISHED
    merged: bool = True


FULL = "full"
RECIPES = {
    FULL: Recipe(),
    "without the weak stage": Recipe(weak=False),
    "without hard negatives": Recipe(contrast=ContrastSettings(negatives=0)),
    "without the mask": Recipe(contrast=ContrastSettings(margin=None)),
    "without merging": Recipe(merged=False),
}


def main() -> int:
    """Train every recipe and score it on the questions."""
    options = _parse()
    report = Report(
        f"{METRIC} of {options.questions} and of {options.dev}",
        ["recipe", "questions", "points beside full", "rows set aside", "points beside full"],
    )
    dev = RetrievalSet(read_rows([options.dev]))
    full = None
    for name, model in _models(options):
        embedder = Embedder(model, on_too_long="truncate")
        (result,) = evaluate([options.questions], {name: embedder})
        scores = result.scores[METRIC], _score(dev, embedder)
        full = scores if name == FULL else full
        cells = [name]
        for position, score in enumerate(scores):
            cells += [f"{score:.4f}", "" if full is None else f"{100 * (score - full[position]):+.1f}"]
        report.add(cells, {"recipe": name, "questions": scores[0], "rows": scores[1]})
        print(" | ".join(cells), flush=True)
    report.show()
    write_json(options.json, [report])
    return 0


def _score(rows: RetrievalSet, embedder: Embedder) -> float:
    """As training scores the rows that are set aside."""
    queries = embedder.encode_query([row.query for row in rows.queries])
    return rows.score(np.asarray(queries), np.asarray(embedder.encode_document(rows.documents)))


def _models(options: argparse.Namespace) -> Iterator[tuple[str, Path | None]]:
    """Every recipe's model; what was trained by an earlier run is taken from the folder."""
    yield "as shipped", None
    settings = TrainingSettings(
        max_steps=options.max_steps,
        batch_size=32,
        max_length=320,
        learning_rate=options.learning_rate,
        last_layers=1,
        bf16=True,
        save_every=options.max_steps // SNAPSHOTS,
    )
    weak = options.work / "weak"
    if not _is_trained(weak):
        train_embedder(read_rows([options.weak]), weak, settings=settings)
    rows = read_rows([options.rows])
    for name, recipe in RECIPES.items():
        # Merging comes after training, so with and without it are one run.
        out = options.work / (name if recipe.merged else FULL).replace(" ", "-")
        if not _is_trained(out):
            train_embedder(
                rows,
                out,
                model=weak if recipe.weak else None,
                contrast=recipe.contrast,
                settings=replace(settings, snapshots=SNAPSHOTS),
            )
        yield name, _merged(out) if recipe.merged else out


def _is_trained(folder: Path) -> bool:
    """Training goes on in a folder that is there without."""
    return (folder / "model.safetensors").exists()


def _merged(trained: Path) -> Path:
    out = trained.with_name(f"{trained.name}-merged")
    if not out.exists():
        merge(sorted(trained.glob("step-*")), out)
    return out


def _parse() -> argparse.Namespace:
    parser = new_parser(
        "ablations",
        "Train the built-in embedder with and without each part of the recipe. Rows and questions are those "
        "of examples/domain/run.sh; the weak rows those that its prepare.py makes of another documentation.",
        "python -m benchmarks.ablations --weak python/pairs.jsonl --rows sqlite/rows.jsonl "
        "--questions sqlite/questions --dev sqlite/dev.jsonl --work ablations",
    )
    parser.add_argument("--weak", type=Path, required=True, metavar="FILE", help="weakly related pairs")
    parser.add_argument("--rows", type=Path, required=True, metavar="FILE", help="pairs with mined negatives")
    parser.add_argument("--questions", type=Path, required=True, metavar="DIR", help="an evaluation folder")
    parser.add_argument("--dev", type=Path, required=True, metavar="FILE", help="rows that were set aside")
    parser.add_argument("--work", type=Path, required=True, metavar="DIR", help="where the models go")
    parser.add_argument("--max-steps", type=int, default=60, help="of either stage (default: 60)")
    parser.add_argument("--learning-rate", type=float, default=1e-3, help="at its peak (default: 1e-3)")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    return options


if __name__ == "__main__":
    run(main)

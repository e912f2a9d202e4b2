"""``quiver tune instruction``: what to put before queries."""

from pathlib import Path
from typing import Annotated

import typer

from quiver.cli.grouped import with_options
from quiver.cli.loading import load_embedder
from quiver.cli.tune.tuning import Tuning, tuning
from quiver.errors import InputError

EXAMPLES = """\b
Examples:
  quiver tune instruction labels.csv --corpus documents.jsonl
  quiver tune instruction clicks.parquet --corpus docs/ --candidates instructions.txt --html advice.html
"""


@with_options("common", tuning)
def instruction(
    common: Tuning,
    candidates: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Instructions to try, one a line; without it, a dozen usual ones."),
    ] = None,
) -> None:
    """Choose the instruction that finds most, among several, the model's own prompt and none.

    Chosen on half of the labelled queries and checked on the other half.
    """
    from quiver.evaluate.lines import read_lines
    from quiver.evaluate.tune import USUAL_INSTRUCTIONS, tune_instruction

    labels = common.read()
    texts = list(USUAL_INSTRUCTIONS)
    if candidates is not None:
        texts = [line.strip() for _, line in read_lines(candidates) if line.strip()]
        if not texts:
            raise InputError(f"{candidates} holds no instructions; write one a line")
    embedder = load_embedder(common.model, dimension=None)
    common.show(tune_instruction(labels, embedder, texts, show_progress_bar=common.show_progress_bar))

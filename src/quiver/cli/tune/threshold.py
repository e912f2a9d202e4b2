"""``quiver tune threshold``: from which score on to believe a reranker."""

from typing import Annotated

import typer

from quiver.cli.grouped import with_options
from quiver.cli.loading import load_embedder, load_reranker
from quiver.cli.tune.tuning import BUILTIN, RerankerName, Tuning, tuning

EXAMPLES = """\b
Examples:
  quiver tune threshold labels.csv --corpus documents.jsonl
  quiver tune threshold labels.csv --corpus documents.jsonl --precision 0.9 --html advice.html
"""


@with_options("common", tuning)
def threshold(
    common: Tuning,
    reranker: RerankerName = BUILTIN,
    candidates: Annotated[
        int, typer.Option(min=1, metavar="N", help="Documents of each query that are scored.")
    ] = 20,
    precision: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE", help="Share of what is kept that must be relevant; without it, the best F1."
        ),
    ] = None,
) -> None:
    """Choose the reranker's score from which on documents count as relevant, and calibrate its scores.

    Documents that are not labelled count as irrelevant. Chosen on half of the labelled queries, checked on
    the other half.
    """
    from quiver.evaluate.tune import tune_threshold

    labels = common.read()
    judge = common.reranker(reranker)
    advice = tune_threshold(
        labels,
        load_embedder(common.model, dimension=None),
        load_reranker(judge),
        candidates=candidates,
        precision=precision,
        model=judge.model,
        show_progress_bar=common.show_progress_bar,
    )
    common.show(advice)

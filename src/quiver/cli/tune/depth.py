"""``quiver tune depth``: how many candidates to rerank."""

from typing import Annotated

import typer

from quiver.cli.grouped import with_options
from quiver.cli.loading import load_embedder, load_reranker
from quiver.cli.tune.tuning import BUILTIN, RerankerName, Tuning, tuning

EXAMPLES = """\b
Examples:
  quiver tune depth labels.csv --corpus documents.jsonl
  quiver tune depth labels.csv --corpus documents.jsonl --reranker Qwen/Qwen3-Reranker-0.6B --latency-ms 500
"""


@with_options("common", tuning)
def depth(
    common: Tuning,
    reranker: RerankerName = BUILTIN,
    depths: Annotated[
        list[int] | None,
        typer.Option(
            "--depth", min=1, metavar="N", help="Candidates to try. Repeatable; without it, 5 10 20 50 100."
        ),
    ] = None,
    latency_ms: Annotated[
        float | None,
        typer.Option(min=0, metavar="MS", help="Reranking's time that 95 % of the queries must keep."),
    ] = None,
) -> None:
    """Choose how many candidates are worth reranking, by quality and by time measured on this machine.

    Every candidate is scored once. Chosen on half of the labelled queries, checked on the other half.
    """
    from quiver.evaluate.tune import tune_depth
    from quiver.evaluate.tune.depth import USUAL_DEPTHS

    labels = common.read()
    judge = common.reranker(reranker)
    advice = tune_depth(
        labels,
        load_embedder(common.model, dimension=None),
        load_reranker(judge),
        depths=depths or USUAL_DEPTHS,
        latency_ms=latency_ms,
        model=judge.model,
        show_progress_bar=common.show_progress_bar,
    )
    common.show(advice)

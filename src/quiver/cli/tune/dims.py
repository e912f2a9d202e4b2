"""``quiver tune dims``: how short vectors may be."""

from dataclasses import replace
from typing import Annotated

import typer

from quiver.cli.grouped import with_options
from quiver.cli.loading import load_embedder
from quiver.cli.options import Dtype
from quiver.cli.tune.tuning import Tuning, tuning

EXAMPLES = """\b
Examples:
  quiver tune dims labels.csv --corpus documents.jsonl --loss 0.02
  quiver tune dims labels.csv --corpus documents.jsonl --dtype float32 --also int8 --dim 128 --dim 64
"""


@with_options("common", tuning)
def dims(
    common: Tuning,
    loss: Annotated[
        float, typer.Option(metavar="SHARE", help="Share of the quality that may be lost.")
    ] = 0.02,
    dimensions: Annotated[
        list[int] | None,
        typer.Option(
            "--dim", min=1, metavar="N", help="Lengths to try. Repeatable; without it, halves down to 32."
        ),
    ] = None,
    also: Annotated[
        list[Dtype] | None,
        typer.Option(
            metavar="DTYPE", help="Embed everything in this number format too and compare. Repeatable."
        ),
    ] = None,
) -> None:
    """Choose the smallest dimension and precision that lose no more than is allowed.

    The measure is the full vector in --dtype. Everything is embedded once for each precision.
    """
    from quiver.evaluate.tune import tune_dims

    labels = common.read()
    names = dict.fromkeys([common.model.dtype, *(each.value for each in also or ())])
    embedders = {name: load_embedder(replace(common.model, dtype=name), dimension=None) for name in names}
    advice = tune_dims(
        labels,
        embedders,
        dimensions=dimensions or (),
        loss=loss,
        model=common.model.model,
        show_progress_bar=common.show_progress_bar,
    )
    common.show(advice)

"""``quiver train embedder``: an embedding model on one's own rows."""

from typing import Annotated

import typer

from quiver.cli import options
from quiver.cli.grouped import with_options
from quiver.cli.train import learning
from quiver.train.settings import TrainingSettings

EXAMPLES = """\b
Examples:
  quiver train embedder rows.jsonl --evaluate questions.jsonl --out mine
  quiver train embedder rows.jsonl -m Qwen/Qwen3-Embedding-0.6B --lora-rank 16 --bf16 --out mine
  quiver train embedder rows.jsonl --batch-size 256 --dim 256 --dim 64 --snapshots 2 --out mine
  quiver train embedder pairs.jsonl --last-layers 1 --learning-rate 1e-3 --bf16 --out mine
  torchrun --nproc-per-node 4 -m quiver train embedder rows.parquet --fsdp --out mine
"""


@with_options("settings", learning.training_settings)
def embedder(
    rows: learning.Rows,
    out: learning.Out,
    model: options.Model = None,
    evaluate: learning.Evaluation = None,
    temperature: Annotated[float, typer.Option(help="Of the contrast between documents.")] = 0.02,
    margin: Annotated[
        float, typer.Option(help="Documents that score this much above the positive are no negatives.")
    ] = 0.1,
    mask: Annotated[
        bool, typer.Option("--mask/--no-mask", help="Leave likely false negatives out (--margin).")
    ] = True,
    within: Annotated[
        bool,
        typer.Option(
            "--within/--no-within",
            help="Other queries, and other documents seen from the positive, are negatives too. Where all "
            "texts are of one matter, this spreads them too far.",
        ),
    ] = True,
    negatives: Annotated[
        int, typer.Option("--negatives", "-n", min=0, help="Hard negatives taken of each row, at most.")
    ] = 7,
    dimensions: learning.Dimensions = None,
    settings: TrainingSettings = learning.DEFAULTS,
    quiet: options.Quiet = False,
) -> None:
    """Train an embedding model: queries near their documents, far from hard negatives and from other rows'.

    Texts get the prompts that serving gives them. The folder loads in Quiver, transformers,
    sentence-transformers and vLLM.
    """
    from quiver.train.embedder import ContrastSettings, train_embedder
    from quiver.train.rows import read_rows

    report = train_embedder(
        read_rows(rows),
        out,
        model=model,
        evaluation=learning.read_evaluation(evaluate),
        contrast=ContrastSettings(
            temperature=temperature,
            margin=margin if mask else None,
            within=within,
            negatives=negatives,
            dimensions=None if dimensions is None else tuple(dimensions),
        ),
        settings=settings,
        quiet=quiet,
    )
    learning.tell(report, quiet=quiet)

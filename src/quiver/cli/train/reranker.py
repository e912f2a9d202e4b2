"""``quiver train reranker``: a reranking model on one's own rows."""

from typing import Annotated

import typer

from quiver.cli import options
from quiver.cli.grouped import with_options
from quiver.cli.train import learning
from quiver.train.settings import TrainingSettings

EXAMPLES = """\b
Examples:
  quiver train reranker rows.jsonl --evaluate questions.jsonl --out mine
  quiver train reranker rows.jsonl -m Qwen/Qwen3-Reranker-0.6B --lora-rank 16 --bf16 --out mine
  quiver train reranker rows.jsonl --listwise --negatives 15 --out mine
"""


@with_options("settings", learning.training_settings)
def reranker(
    rows: learning.Rows,
    out: learning.Out,
    model: options.Model = None,
    evaluate: learning.Evaluation = None,
    negatives: Annotated[
        int, typer.Option("--negatives", "-n", min=1, help="Negatives taken of each row, at most.")
    ] = 7,
    listwise: Annotated[
        bool, typer.Option("--listwise", help="Let the documents of a row compete, not each stand alone.")
    ] = False,
    settings: TrainingSettings = learning.DEFAULTS,
    quiet: options.Quiet = False,
) -> None:
    """Train a reranking model: "yes" to the positives of a row, "no" to its negatives.

    Rows need negatives (quiver train mine). Texts stand in the template that serving uses.
    """
    from quiver.train.reranker import JudgementSettings, train_reranker
    from quiver.train.rows import read_rows

    report = train_reranker(
        read_rows(rows),
        out,
        model=model,
        evaluation=learning.read_evaluation(evaluate),
        judgement=JudgementSettings(negatives=negatives, listwise=listwise),
        settings=settings,
        quiet=quiet,
    )
    learning.tell(report, quiet=quiet)

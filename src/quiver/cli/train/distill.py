"""``quiver train distill``: a small embedding model from a large one."""

from typing import Annotated

import typer

from quiver.cli import options
from quiver.cli.grouped import with_options
from quiver.cli.train import learning
from quiver.train.settings import TrainingSettings

EXAMPLES = """\b
Examples:
  quiver train distill pairs.jsonl --teacher Qwen/Qwen3-Embedding-8B -m Qwen/Qwen3-Embedding-0.6B --out small
  quiver train distill pairs.jsonl --teacher Qwen/Qwen3-Embedding-0.6B --evaluate questions.jsonl --out small
"""


@with_options("settings", learning.training_settings)
def distill(
    rows: learning.Rows,
    out: learning.Out,
    teacher: Annotated[str, typer.Option(metavar="NAME", help="The larger embedder: hub name or folder.")],
    model: options.Model = None,
    evaluate: learning.Evaluation = None,
    temperature: Annotated[float, typer.Option(help="Of the likeness between the texts of a batch.")] = 0.05,
    dimensions: learning.Dimensions = None,
    settings: TrainingSettings = learning.DEFAULTS,
    quiet: options.Quiet = False,
) -> None:
    """Teach a small embedding model the vectors of a larger one.

    Rows are pairs; negatives are not used. The teacher embeds every text once, before the first step.
    """
    from quiver.train.distill import ImitationSettings
    from quiver.train.distill import distill as teach
    from quiver.train.rows import read_rows

    report = teach(
        read_rows(rows),
        out,
        teacher=teacher,
        model=model,
        evaluation=learning.read_evaluation(evaluate),
        imitation=ImitationSettings(
            temperature=temperature, dimensions=None if dimensions is None else tuple(dimensions)
        ),
        settings=settings,
        quiet=quiet,
    )
    learning.tell(report, quiet=quiet)

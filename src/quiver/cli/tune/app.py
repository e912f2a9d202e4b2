"""``quiver tune``: the group and the list of its commands."""

import typer

from quiver.cli.tune import depth, dims, instruction, threshold

EXAMPLES = """\b
Examples:
  quiver tune instruction labels.csv --corpus documents.jsonl
  quiver tune dims labels.csv --corpus documents.jsonl --loss 0.02
  quiver tune threshold labels.csv --corpus documents.jsonl --precision 0.9
  quiver tune depth labels.csv --corpus documents.jsonl --latency-ms 300
"""

app = typer.Typer(
    help="Advice from your own labels: instruction, dimension, score to believe, reranking depth.",
    epilog=EXAMPLES,
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.command(epilog=instruction.EXAMPLES)(instruction.instruction)
app.command(epilog=dims.EXAMPLES)(dims.dims)
app.command(epilog=threshold.EXAMPLES)(threshold.threshold)
app.command(epilog=depth.EXAMPLES)(depth.depth)

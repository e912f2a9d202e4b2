"""``quiver train``: the group and the list of its commands."""

import typer

from quiver.cli.train import merge, mine, synthesize

EXAMPLES = """\b
Examples:
  quiver train synthesize -i documents.jsonl --chat-model gpt-5-mini -o pairs.jsonl
  quiver train mine pairs.jsonl -o rows.jsonl
  quiver train merge run/step-800 run/step-1000 --out merged
"""

app = typer.Typer(
    help="Make training data and models: write queries, mine hard negatives, merge checkpoints.",
    epilog=EXAMPLES,
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.command(epilog=synthesize.EXAMPLES)(synthesize.synthesize)
app.command(epilog=mine.EXAMPLES)(mine.mine)
app.command(epilog=merge.EXAMPLES)(merge.merge)

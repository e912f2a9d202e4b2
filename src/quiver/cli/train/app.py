"""``quiver train``: the group and the list of its commands."""

import typer

from quiver.cli.train import distill, embedder, merge, mine, reranker, synthesize

EXAMPLES = """\b
Examples:
  quiver train synthesize -i documents.jsonl --chat-model gpt-5-mini -o pairs.jsonl
  quiver train mine pairs.jsonl -o rows.jsonl
  quiver train embedder rows.jsonl --evaluate questions.jsonl --out mine
  quiver train merge mine/step-800 mine/step-1000 --out merged
"""

app = typer.Typer(
    help="Train models on your own texts: write queries, mine hard negatives, train, merge.",
    epilog=EXAMPLES,
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.command(epilog=synthesize.EXAMPLES)(synthesize.synthesize)
app.command(epilog=mine.EXAMPLES)(mine.mine)
app.command(epilog=embedder.EXAMPLES)(embedder.embedder)
app.command(epilog=reranker.EXAMPLES)(reranker.reranker)
app.command(epilog=distill.EXAMPLES)(distill.distill)
app.command(epilog=merge.EXAMPLES)(merge.merge)

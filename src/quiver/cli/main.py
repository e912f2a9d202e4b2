"""``quiver``: the commands, and how each of them ends."""

from typing import Annotated

import typer

import quiver
from quiver.cli import (
    calibrate,
    doctor,
    embed,
    evaluate,
    index,
    models,
    plan,
    report,
    rerank,
    search,
    serve,
)
from quiver.cli.endings import clean_endings
from quiver.cli.train import app as train
from quiver.cli.tune import app as tune

EXAMPLES = """\b
Examples:
  quiver rerank "How do I undo my last commit?" --input notes.txt
  quiver embed --input corpus.jsonl --output corpus.parquet
  quiver index docs && quiver search "How do I undo my last commit?"
  quiver COMMAND --help
"""

# Rich would double the time of --help and take "[parquet]" in a help text for markup.
app = typer.Typer(
    name="quiver",
    epilog=EXAMPLES,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command(epilog=embed.EXAMPLES)(embed.embed)
app.command(epilog=rerank.EXAMPLES)(rerank.rerank)
app.command(epilog=index.INDEX_EXAMPLES)(index.index)
app.command(epilog=search.EXAMPLES)(search.search)
app.command(epilog=index.REINDEX_EXAMPLES)(index.reindex)
app.command(epilog=serve.EXAMPLES)(serve.serve)
app.command(epilog=evaluate.EXAMPLES)(evaluate.evaluate)
app.command(name="eval", epilog=evaluate.EXAMPLES, hidden=True)(evaluate.evaluate)
app.command(epilog=models.EXAMPLES)(models.models)
app.command(epilog=doctor.EXAMPLES)(doctor.doctor)
app.command(epilog=report.EXAMPLES)(report.report)
app.command(epilog=calibrate.EXAMPLES)(calibrate.calibrate)
app.command(epilog=plan.EXAMPLES)(plan.plan)
app.add_typer(tune.app, name="tune")
app.add_typer(train.app, name="train")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"quiver {quiver.__version__}")
        raise typer.Exit


@app.callback()
def _quiver(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    """Embed texts and rank documents with the Qwen3 Embedding models."""


def main() -> None:
    """Run the command line."""
    with clean_endings():
        app()

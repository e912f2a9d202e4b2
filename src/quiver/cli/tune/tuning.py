"""What the commands that give advice have in common: labels, models, and how advice is printed."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from quiver.cli import options
from quiver.cli.loading import ModelOptions

if TYPE_CHECKING:
    from quiver.evaluate.ranking import RankingTask
    from quiver.evaluate.tune import Advice

BUILTIN = "builtin"
"""What names the shipped reranker, as in ``quiver search``."""

RerankerName = Annotated[
    str, typer.Option("--reranker", metavar="NAME", help="The reranker: hub name, folder or builtin.")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """What every one of these commands is told."""

    labels: Path
    corpus: list[Path]
    metric: str | None
    instruction: str | None
    model: ModelOptions
    html: Path | None
    quiet: bool

    @property
    def show_progress_bar(self) -> bool | None:
        """As the models take it."""
        return False if self.quiet else None

    def read(self) -> "RankingTask":
        """Read the labels, and say how much there is."""
        from quiver.evaluate.tune import read_labels
        from quiver.evaluate.tune.advice import size_of

        task = read_labels(self.labels, corpus=self.corpus, metric=self.metric)
        if self.instruction is not None:
            task = replace(task, instruction=self.instruction)
        say = options.say_nothing if self.quiet else options.say_on_stderr
        say(f"{self.labels}: {size_of(task)}")
        return task

    def reranker(self, name: str) -> ModelOptions:
        """The reranker's options: the embedder's, with another model."""
        return replace(self.model, model=None if name == BUILTIN else name, revision=None)

    def show(self, advice: "Advice[Any]") -> None:
        """Print advice, and write its page if one is wanted."""
        from quiver.cli.tables import Column, write_table
        from quiver.cli.target import open_target
        from quiver.cli.terminal import one_line

        if self.html is not None:
            from quiver.evaluate.report import to_html

            with open_target(self.html) as page:
                page.write(to_html(advice.page()).encode())
        tables = [advice.table, *(f.table for f in advice.figures if f.table is not advice.table)]
        with open_target(None) as target:
            for table in tables:
                columns = [
                    Column(each.title, align="right" if each.is_number else "left") for each in table.columns
                ]
                write_table(target, columns, table.written())
                target.write(f"{table.note}\n\n".encode() if table.note else b"\n")
            lines = [
                f"recommended  {one_line(advice.recommended)}",
                f"confidence   {advice.verdict}",
                f"measured     {one_line(advice.reason)}",
                f"python       {one_line(advice.python)}",
                f"shell        {one_line(advice.shell)}",
            ]
            target.write("".join(f"{line}\n" for line in lines).encode())


def tuning(
    labels: Annotated[
        Path,
        typer.Argument(
            metavar="LABELS",
            show_default=False,
            help="Rows of query, document (id or text) and perhaps grade or clicks: .csv, .tsv, .jsonl, "
            ".parquet; or an evaluation folder.",
        ),
    ],
    corpus: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="PATH",
            help="All documents: a folder of texts, .txt (one a line), or rows with text and perhaps id as "
            ".jsonl, .csv, .tsv, .parquet. Repeatable. Without it, the documents of the labels.",
        ),
    ] = None,
    metric: Annotated[
        str | None, typer.Option(metavar="NAME", help="Such as ndcg@10 (the default), mrr@10, recall@100.")
    ] = None,
    instruction: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="The task, in one sentence, instead of the model's default."),
    ] = None,
    model: options.Model = None,
    revision: options.Revision = None,
    max_length: options.MaxLength = None,
    device: options.Device = None,
    dtype: options.DtypeOption = options.Dtype.AUTO,
    token_budget: options.TokenBudget = None,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Also write a page with a plot and tables.")
    ] = None,
    quiet: options.Quiet = False,
) -> Tuning:
    """The options of every command that gives advice."""
    common = ModelOptions(
        model=model,
        revision=revision,
        device=device,
        dtype=dtype.value,
        max_length=max_length,
        truncate=True,
        token_budget=token_budget,
    )
    return Tuning(
        labels=labels,
        corpus=corpus or [],
        metric=metric,
        instruction=instruction,
        model=common,
        html=html,
        quiet=quiet,
    )

"""``quiver train mine``: hard negatives for training rows."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from quiver.cli import options
from quiver.cli.loading import ModelOptions, load_embedder, load_reranker
from quiver.cli.read import InputChoice, open_texts
from quiver.cli.summary import counted

if TYPE_CHECKING:
    from quiver.train.mine import MiningReport

EXAMPLES = """\b
Examples:
  quiver train mine pairs.jsonl -o rows.jsonl
  quiver train mine pairs.parquet --corpus passages.jsonl -m Qwen/Qwen3-Embedding-0.6B -o rows.jsonl
  quiver train mine pairs.jsonl --negatives 8 --last-rank 50 --seed 1 -o rows.jsonl
  quiver train mine pairs.jsonl --reranker Qwen/Qwen3-Reranker-0.6B -o rows.jsonl
"""


def mine(
    rows: Annotated[
        list[Path], typer.Argument(metavar="ROWS...", help="Training rows: .jsonl or .parquet files.")
    ],
    corpus: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="More documents that negatives may come from, beside the rows' positives: "
            ".txt, .jsonl, .csv, .tsv, .parquet. May be repeated.",
        ),
    ] = None,
    field: options.Field = None,
    negatives: Annotated[
        int, typer.Option("--negatives", "-n", min=1, help="Most negatives a row gets.")
    ] = 4,
    first_rank: Annotated[
        int, typer.Option(min=1, help="First rank to take negatives from, known positives not counted.")
    ] = 1,
    last_rank: Annotated[int, typer.Option(min=1, help="Last rank to take negatives from.")] = 100,
    share_of_positive: Annotated[
        float,
        typer.Option(min=0, max=1, help="Most a negative may score, as a share of its positive's score."),
    ] = 0.95,
    seed: Annotated[
        int | None,
        typer.Option(min=0, help="Sample from all that qualify; without it, take the first in rank."),
    ] = None,
    reranker: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="A reranker to look again: hub name, folder, or quiver-reranker-mini."
        ),
    ] = None,
    highest_relevance: Annotated[
        float, typer.Option(min=0, max=1, help="With --reranker: drop documents that score more.")
    ] = 0.5,
    model: options.Model = None,
    revision: options.Revision = None,
    max_length: options.MaxLength = None,
    truncate: options.Truncate = False,
    device: options.Device = None,
    dtype: options.DtypeOption = options.Dtype.AUTO,
    token_budget: options.TokenBudget = None,
    output: options.Output = None,
    quiet: options.Quiet = False,
) -> None:
    """Add hard negatives to training rows: documents that rank high without being known answers.

    Rows keep all their fields and come out as JSONL. A negative scores at most a share of what the row's
    weakest positive scores (0.95, as in NV-Retriever); what is nearer may be an answer that nobody marked.
    """
    model_options = ModelOptions(
        model=model,
        revision=revision,
        device=device,
        dtype=dtype.value,
        max_length=max_length,
        truncate=truncate,
        token_budget=token_budget,
    )
    say = options.say_nothing if quiet else options.say_on_stderr

    from dataclasses import replace

    from quiver.cli.target import open_target
    from quiver.cli.write import write_records
    from quiver.train.mine import MiningRule
    from quiver.train.mine import mine as mine_negatives
    from quiver.train.rows import read_rows

    rule = MiningRule(
        negatives=negatives,
        first_rank=first_rank,
        last_rank=last_rank,
        share_of_positive=share_of_positive,
        seed=seed,
        highest_relevance=highest_relevance,
    )
    with open_target(output) as target:
        judge = None
        if reranker is not None:
            judge = load_reranker(replace(model_options, model=reranker, revision=None))
        mined = mine_negatives(
            read_rows(rows),
            load_embedder(model_options, dimension=None),
            corpus=open_texts(InputChoice(files=corpus, field=field), say) if corpus else (),
            rule=rule,
            reranker=judge,
            show_progress_bar=False if quiet else None,
        )
        write_records(target, (row.record() for row in mined.rows))
    say(_summary(mined.report))


def _summary(report: "MiningReport") -> str:
    counts = report.rows_by_negatives
    got = ", ".join(f"{rows:,} with {counted(n, 'negative')}" for n, rows in reversed(counts.items()))
    left_out = [f"{counted(report.too_close, 'candidate')} too close to a positive"]
    if report.relevant:
        left_out.append(f"{report.relevant:,} relevant to the reranker")
    return (
        f"{counted(sum(counts.values()), 'row')} ({got}) from {counted(report.documents, 'document')}; "
        f"left out: {', '.join(left_out)}; mean cosine {report.positive_score:.3f} of positives, "
        f"{report.negative_score:.3f} of negatives"
    )

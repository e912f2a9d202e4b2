"""What the commands that train have in common: how long, how fast, on what; and the table at the end."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from quiver.cli import options
from quiver.train.settings import LoraSettings, TrainingSettings

if TYPE_CHECKING:
    from quiver.train.learn import TrainingReport
    from quiver.train.rows import TrainingRow

DEFAULTS = TrainingSettings()

Rows = Annotated[
    list[Path], typer.Argument(metavar="ROWS...", help="Training rows: .jsonl or .parquet files.")
]
Out = Annotated[
    Path,
    typer.Option(
        "--out", metavar="DIR", help="A new folder for the model; the same command goes on after a stop."
    ),
]
Evaluation = Annotated[
    list[Path] | None,
    typer.Option(
        "--evaluate",
        metavar="FILE",
        help="Rows set aside: scored before, during and after, and the best weights are kept. Repeatable.",
    ),
]
Dimensions = Annotated[
    list[int] | None,
    typer.Option(
        "--dim",
        min=1,
        metavar="N",
        help="Vectors cut to N values are to work too (Matryoshka). Repeatable; else all, half, quarter ...",
    ),
]


def training_settings(
    epochs: Annotated[float, typer.Option(help="Times that every row is seen.")] = DEFAULTS.epochs,
    max_steps: Annotated[int | None, typer.Option(min=1, help="Instead of --epochs.")] = None,
    batch_size: Annotated[
        int, typer.Option(min=1, help="Rows of a step; they are each other's negatives.")
    ] = DEFAULTS.batch_size,
    token_budget: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Tokens that run together; bounds memory and changes nothing else. "
            "[default: 16384 on a GPU, 2048 without]",
        ),
    ] = None,
    accumulate: Annotated[
        int, typer.Option(min=1, help="Batches whose gradients make one step.")
    ] = DEFAULTS.accumulate,
    max_length: Annotated[
        int, typer.Option(min=1, help="Tokens; longer texts are cut and counted.")
    ] = DEFAULTS.max_length,
    learning_rate: Annotated[float, typer.Option(help="At its highest.")] = DEFAULTS.learning_rate,
    warmup: Annotated[
        float, typer.Option(help="Share of the steps in which the learning rate rises.")
    ] = DEFAULTS.warmup,
    weight_decay: Annotated[float, typer.Option(min=0, help="Of AdamW.")] = DEFAULTS.weight_decay,
    bf16: Annotated[bool, typer.Option("--bf16", help="Products in bfloat16.")] = False,
    lora_rank: Annotated[
        int | None, typer.Option(min=1, help="Train adapters of this rank instead of all weights.")
    ] = None,
    lora_alpha: Annotated[int | None, typer.Option(min=1, help="Without it, twice the rank.")] = None,
    last_layers: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Train the last N layers only; those below run once a text: fast."
        ),
    ] = None,
    save_every: Annotated[
        int, typer.Option(min=1, help="Steps between saves, and between scores of --evaluate.")
    ] = DEFAULTS.save_every,
    patience: Annotated[
        int | None, typer.Option(min=1, help="Stop after that many scores without a better one.")
    ] = None,
    snapshots: Annotated[
        int, typer.Option(min=0, help="Keep the last N saves as models, DIR/step-N, to be merged.")
    ] = DEFAULTS.snapshots,
    fsdp: Annotated[
        bool, typer.Option("--fsdp", help="Share the weights out over torchrun's processes.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Another number, another order of rows.")] = DEFAULTS.seed,
) -> TrainingSettings:
    """The options of every command that trains."""
    return TrainingSettings(
        epochs=epochs,
        max_steps=max_steps,
        batch_size=batch_size,
        token_budget=token_budget,
        accumulate=accumulate,
        max_length=max_length,
        learning_rate=learning_rate,
        warmup=warmup,
        weight_decay=weight_decay,
        bf16=bf16,
        lora=None if lora_rank is None else LoraSettings(rank=lora_rank, alpha=lora_alpha or 2 * lora_rank),
        last_layers=last_layers,
        save_every=save_every,
        patience=patience,
        snapshots=snapshots,
        fsdp=fsdp,
        seed=seed,
    )


def read_evaluation(files: list[Path] | None) -> "list[TrainingRow]":
    """The rows set aside, if there are any."""
    from quiver.train.rows import read_rows

    return read_rows(files) if files else []


def tell(report: "TrainingReport | None", *, quiet: bool) -> None:
    """Print what a run did, and the scores before and after as a table."""
    if report is None:
        return
    say = options.say_nothing if quiet else options.say_on_stderr
    cut = f"; {report.cut_share:.1%} of the texts cut" if report.cut_share else ""
    say(
        f"{report.folder}: {report.rows:,} rows, {report.steps:,} steps, loss {report.loss:.4f}{cut}; "
        f"answers moved by {report.moved:.3f} and spread over {report.spread:.3f}"
    )
    if report.score_before is None or report.score_after is None:
        return
    from quiver.cli.tables import Column, write_table
    from quiver.cli.target import open_target

    columns = [Column(""), *(Column(name, align="right") for name in ("before", "after", "gain"))]
    before, after = report.score_before, report.score_after
    row = ("nDCG@10 on the rows set aside", f"{before:.4f}", f"{after:.4f}", f"{after - before:+.4f}")
    with open_target(None) as target:
        write_table(target, columns, [row])

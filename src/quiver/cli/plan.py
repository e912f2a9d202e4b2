"""``quiver plan``: what a large job takes."""

from collections.abc import Sequence
from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from quiver.cli.calibrate import RatesFile, default_rates_file

if TYPE_CHECKING:
    from quiver.planning.assumptions import Assumptions
    from quiver.planning.plan import EnginePlan, Job, StoragePlan

EXAMPLES = """\b
Examples:
  quiver calibrate --model Qwen/Qwen3-Embedding-0.6B
  quiver plan --documents 1e9 --tokens 200 --dim 256
  quiver plan --documents 5e7 --tokens 400 --dim 1024 --within 24 --assume price=0.35
  quiver plan --documents 1e9 --tokens 200 --dim 256 --model Qwen/Qwen3-Embedding-8B \\
      --rate "one GPU=60000@2.50" --format json
"""


class PlanFormat(StrEnum):
    """How a plan is printed."""

    TABLE = "table"
    JSON = "json"


def plan(
    documents: Annotated[float, typer.Option(metavar="N", help="Texts to embed, such as 1e9.")],
    tokens: Annotated[float, typer.Option(metavar="N", help="Tokens of a text, in the mean.")],
    dim: Annotated[int, typer.Option(min=1, metavar="N", help="Numbers of a vector that is kept.")],
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            metavar="NAME",
            help="Plan for this model; rates of others are scaled. Without it, for every one measured.",
        ),
    ] = None,
    machines: Annotated[int | None, typer.Option(min=1, metavar="N", help="Machines that share it.")] = None,
    within: Annotated[
        float | None, typer.Option(metavar="HOURS", help="Hours that it may take, instead of machines.")
    ] = None,
    rate: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=TOKENS[@PRICE]",
            help="An engine that was not measured here: tokens a second, price of an hour. Repeatable.",
        ),
    ] = None,
    assume: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Replace an assumption; the plan lists them. Repeatable."),
    ] = None,
    rates: RatesFile = None,
    output_format: Annotated[PlanFormat, typer.Option("--format", help="How to print.")] = PlanFormat.TABLE,
) -> None:
    """Machine-hours, memory, disk, index shards and cost of a large job, for each measured engine."""
    from quiver.planning.assumptions import Assumptions
    from quiver.planning.plan import AssumedRate, Job, plan_engines, plan_storage
    from quiver.planning.rates import read_rates

    job = Job(
        documents=documents,
        tokens=tokens,
        dimension=dim,
        machines=machines,
        within_hours=within,
        model=model,
    )
    assumptions = Assumptions.replaced(assume or ())
    assumed = [AssumedRate.parse(each) for each in rate or ()]
    path = rates or default_rates_file()
    measured = read_rates(path) if rates or path.exists() else []
    engines = plan_engines(job, measured, assumed, assumptions)
    storage = plan_storage(job, assumptions)
    if output_format is PlanFormat.JSON:
        _write_json(job, engines, storage, assumptions)
    else:
        _write_tables(engines, storage, assumptions)


def _write_json(
    job: "Job", engines: "Sequence[EnginePlan]", storage: "StoragePlan", assumptions: "Assumptions"
) -> None:
    import json

    content = {
        "job": asdict(job),
        "engines": [asdict(each) for each in engines],
        "storage": asdict(storage),
        "assumptions": asdict(assumptions),
    }
    typer.echo(json.dumps(content, indent=2, ensure_ascii=False))


def _write_tables(
    engines: "Sequence[EnginePlan]", storage: "StoragePlan", assumptions: "Assumptions"
) -> None:
    from quiver.cli.tables import Column, write_table
    from quiver.cli.target import open_target
    from quiver.planning.assumptions import MEANINGS

    titles = ("texts/s", "machine-hours", "machines", "hours", "memory", "cost")
    numbers = (Column("engine"), *(Column(title, align="right") for title in titles))
    names = (Column("engine"), Column("is"), Column("", flexible=True))
    facts = (Column("assumed"), Column("", align="right"), Column("", flexible=True))
    with open_target(None) as target:
        write_table(target, numbers, (_numbers(*each) for each in enumerate(engines, 1)))
        target.write(b"\n")
        write_table(target, names, (_names(*each) for each in enumerate(engines, 1)), wrap=True)
        target.write(b"\n")
        write_table(target, (Column("storage"), Column("", align="right")), _storage_rows(storage))
        target.write(b"\n")
        rows = ((name, f"{value:,g}", MEANINGS[name]) for name, value in asdict(assumptions).items())
        write_table(target, facts, rows, wrap=True)


def _numbers(number: int, plan: "EnginePlan") -> tuple[str, ...]:
    return (
        str(number),
        f"{plan.documents_per_second:,.4g}",
        f"{plan.machine_hours:,.1f}",
        f"{plan.machines:,}",
        f"{plan.hours:,.2f}",
        "-" if plan.memory_bytes is None else size(plan.memory_bytes),
        f"{plan.cost:,.2f}",
    )


def _names(number: int, plan: "EnginePlan") -> tuple[str, ...]:
    model = f"{plan.model}, " if plan.model else ""
    note = f" ({plan.note})" if plan.note else ""
    return str(number), plan.basis, f"{model}{plan.engine}{note}"


def _storage_rows(storage: "StoragePlan") -> list[tuple[str, str]]:
    return [
        ("vectors", size(storage.vector_bytes)),
        ("texts", size(storage.text_bytes)),
        ("index, with vectors, texts and copies", size(storage.index_bytes)),
        ("shards", f"{storage.shards:,}"),
        ("one shard", size(storage.shard_bytes)),
        ("memory to search all", size(storage.search_memory_bytes)),
    ]


def size(count: float) -> str:
    """Bytes for people."""
    units = ("B", "kB", "MB", "GB", "TB", "PB")
    power = 0
    while count >= 1000 and power < len(units) - 1:
        count, power = count / 1000, power + 1
    return f"{count:,.3g} {units[power]}"

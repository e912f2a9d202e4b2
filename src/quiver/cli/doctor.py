"""``quiver doctor``: is a model whole, and does it give the numbers it should?"""

from typing import TYPE_CHECKING, Annotated

import typer

from quiver.cli import options

if TYPE_CHECKING:
    from quiver.doctor import Diagnosis

EXAMPLES = """\b
Examples:
  quiver doctor
  quiver doctor Qwen/Qwen3-Embedding-0.6B --dtype bfloat16
  quiver doctor ./my-checkpoint --format jsonl
"""

VERDICTS = {True: "ok", False: "FAILED", None: "not applicable"}
UNHEALTHY = 1


def doctor(
    model: Annotated[
        str | None, typer.Argument(help="Hub name or folder; without it, the embedder shipped with Quiver.")
    ] = None,
    device: options.Device = None,
    dtype: options.DtypeOption = options.Dtype.AUTO,
    output_format: options.ListFormatOption = options.ListFormat.TABLE,
) -> None:
    """Check a model's files, prompts, end token and numbers; exit 1 if anything is wrong."""
    from quiver.doctor import examine

    diagnosis = examine(model, device=device, dtype=dtype.value)
    if output_format is options.ListFormat.JSONL:
        _write_jsonl(diagnosis)
    else:
        _write_table(diagnosis)
    if not diagnosis.healthy:
        raise typer.Exit(UNHEALTHY)


def _write_jsonl(diagnosis: "Diagnosis") -> None:
    from dataclasses import asdict

    from quiver.cli.target import open_target
    from quiver.cli.write import write_records

    about = {"model": diagnosis.model, "kind": diagnosis.kind, "fingerprint": diagnosis.fingerprint}
    with open_target(None) as target:
        write_records(target, ({**about, **asdict(check)} for check in diagnosis.checks))


def _write_table(diagnosis: "Diagnosis") -> None:
    from quiver.cli.tables import Column, write_table
    from quiver.cli.target import open_target
    from quiver.cli.terminal import one_line

    about = f"{diagnosis.model} ({diagnosis.kind})\n{diagnosis.fingerprint}\n\n"
    columns = (Column("check"), Column("result"), Column("detail", flexible=True))
    rows = ((check.name, VERDICTS[check.passed], check.detail) for check in diagnosis.checks)
    with open_target(None) as target:
        target.write("\n".join(map(one_line, about.split("\n"))).encode())
        write_table(target, columns, rows, wrap=True)

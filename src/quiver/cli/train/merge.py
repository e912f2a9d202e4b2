"""``quiver train merge``: one checkpoint between several."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from quiver.cli import options
from quiver.errors import InputError

EXAMPLES = """\b
Examples:
  quiver train merge mine/step-800 mine/step-1000 --out merged
  quiver train merge Qwen/Qwen3-Embedding-0.6B ./mine --weights 1,3 --method linear --out merged
"""


class Method(StrEnum):
    """Ways between two checkpoints."""

    SLERP = "slerp"
    LINEAR = "linear"


def merge(
    models: Annotated[list[str], typer.Argument(help="Hub names or folders, two or more.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="A new folder for the merged model.")],
    weights: Annotated[
        str | None,
        typer.Option(
            metavar="W,W,...", help="How much each model counts, such as 3,1; without it, all alike."
        ),
    ] = None,
    method: Annotated[Method, typer.Option(help="Along the arc between two tensors, or straight.")] = (
        Method.SLERP
    ),
    quiet: options.Quiet = False,
) -> None:
    """Merge checkpoints of the same shape into one.

    Tensors are merged one by one; tokenizer, prompts and number format are those of the first model.
    """
    shares = None if weights is None else _numbers(weights)

    from quiver.train.merge import merge as merge_checkpoints

    try:
        folder = merge_checkpoints(models, out, weights=shares, method=method.value)
    except FileExistsError as error:
        raise InputError(str(error)) from error
    say = options.say_nothing if quiet else options.say_on_stderr
    say(f"{len(models)} checkpoints merged into {folder}")


def _numbers(weights: str) -> list[float]:
    try:
        return [float(weight) for weight in weights.split(",")]
    except ValueError:
        raise typer.BadParameter(f"--weights takes numbers with commas between, not {weights!r}") from None

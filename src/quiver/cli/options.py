"""Options that commands share, each defined once."""

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from quiver.cli.read import InputChoice, InputFormat, is_stdin_given
from quiver.cli.terminal import neutralise
from quiver.rows.parse import DEFAULT_FIELDS

API_KEY_ENV = "QUIVER_API_KEY"
"""The environment variable that holds a server's key, unless another is named."""


class Dtype(StrEnum):
    """Number formats of the computation."""

    AUTO = "auto"
    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"
    FLOAT16 = "float16"
    INT8 = "int8"


class BackendName(StrEnum):
    """Engines of this machine."""

    AUTO = "auto"
    NATIVE = "native"
    TORCH = "torch"
    VLLM = "vllm"


class ListFormat(StrEnum):
    """How a command that reports facts prints them."""

    TABLE = "table"
    JSONL = "jsonl"


InputFiles = Annotated[
    list[Path] | None,
    typer.Option(
        "--input",
        "-i",
        metavar="FILE",
        help="Texts from a .txt (one a line), .jsonl, .csv, .tsv or .parquet file; - is standard input. "
        "May be repeated.",
    ),
]
InputFormatOption = Annotated[
    InputFormat | None,
    typer.Option("--input-format", help="What the input is, whatever its name; standard input is txt."),
]
Field = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help=f"JSON field or column with the text; else the first found of {', '.join(DEFAULT_FIELDS)}.",
    ),
]
Model = Annotated[
    str | None,
    typer.Option(
        "--model", "-m", metavar="NAME", help="Hub name or folder; without it, the model shipped with Quiver."
    ),
]
Url = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="Let this server run the model: OpenAI, TEI, Cohere, Jina, vLLM or Ollama in shape. "
        "See docs/remote.md.",
    ),
]
ServedAs = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="The model's name on the server; else the first that it lists."),
]
ApiKeyEnv = Annotated[
    str, typer.Option(metavar="NAME", help="Environment variable that holds the server's key.")
]
Revision = Annotated[
    str | None, typer.Option(metavar="NAME", help="Branch, tag or commit of a model on the hub.")
]
Device = Annotated[
    str | None, typer.Option(metavar="NAME", help="cpu, cuda, cuda:N or mps; without it, the best there is.")
]
DtypeOption = Annotated[
    Dtype, typer.Option("--dtype", help="Number format; auto takes what the device runs fast.")
]
BackendOption = Annotated[
    BackendName,
    typer.Option("--backend", help="Engine; auto is native where that runs, else torch. See docs/vllm.md."),
]
MaxLength = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Longest text in tokens, prompt included; else the model's limit."),
]
Truncate = Annotated[
    bool,
    typer.Option("--truncate", help="Cut the ends of longer texts and say so; else they are an error."),
]
TokenBudget = Annotated[
    int | None,
    typer.Option(
        min=1, metavar="N", help="Tokens that run together; bounds memory. Without it, as suits the device."
    ),
]
ParseSpecialTokens = Annotated[
    bool,
    typer.Option(
        "--parse-special-tokens",
        help="Read strings such as <|im_end|> in texts as special tokens, as the reference does.",
    ),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", metavar="FILE", help="Write to a file, which appears only when it is complete."
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar, no summary on standard error.")]
ListFormatOption = Annotated[ListFormat, typer.Option("--format", help="How to print.")]


def input_choice(
    arguments: Sequence[str] | None,
    files: Sequence[Path] | None,
    field: str | None,
    input_format: InputFormat | None,
) -> InputChoice:
    """What to read; raises typer.BadParameter if nothing was given and nothing is piped in."""
    if not arguments and not files and not is_stdin_given():
        raise typer.BadParameter("no texts: give them as arguments, with --input FILE, or on standard input")
    return InputChoice(arguments=arguments or (), files=files or (), field=field, format=input_format)


def say_on_stderr(message: str) -> None:
    """Tell the user something beside the results."""
    typer.echo(neutralise(message), err=True)


def say_nothing(message: str) -> None:
    """What --quiet makes of ``say_on_stderr``."""

"""``quiver doctor``: is a model whole, or a server right, and do they give the numbers they should?"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from quiver.cli import options
from quiver.errors import InputError

if TYPE_CHECKING:
    from quiver.doctor import Diagnosis

EXAMPLES = """\b
Examples:
  quiver doctor
  quiver doctor Qwen/Qwen3-Embedding-0.6B --dtype bfloat16
  quiver doctor ./my-checkpoint --format jsonl
  quiver doctor --url http://localhost:8080
  quiver doctor Qwen/Qwen3-Embedding-0.6B --url https://embeddings.example --api-key-env MY_KEY
"""

VERDICTS = {True: "ok", False: "FAILED", None: "not applicable"}
UNHEALTHY = 1


def doctor(
    model: Annotated[
        str | None,
        typer.Argument(
            help="Hub name or folder; without it, the embedder shipped with Quiver. With --url, the model "
            "that the server should be running, to compare with."
        ),
    ] = None,
    url: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Check a server instead: OpenAI, TEI, Cohere, Jina, vLLM or Ollama in shape.",
        ),
    ] = None,
    served_as: options.ServedAs = None,
    api_key_env: options.ApiKeyEnv = options.API_KEY_ENV,
    device: options.Device = None,
    dtype: options.DtypeOption = options.Dtype.AUTO,
    output_format: options.ListFormatOption = options.ListFormat.TABLE,
) -> None:
    """Check a model's files, prompts, end token and numbers, or a server's; exit 1 if anything is wrong."""
    if url is not None:
        diagnoses = _examined_server(url, served_as, api_key_env, model)
    elif served_as is not None:
        raise typer.BadParameter("--served-as names a model of a server; give its --url, too")
    else:
        from quiver.doctor import examine

        diagnoses = [examine(model, device=device, dtype=dtype.value)]
    for diagnosis in diagnoses:
        write = _write_jsonl if output_format is options.ListFormat.JSONL else _write_table
        write(diagnosis)
    if not all(diagnosis.healthy for diagnosis in diagnoses):
        raise typer.Exit(UNHEALTHY)


def _examined_server(
    url: str, served_as: str | None, api_key_env: str, reference: str | None
) -> Sequence["Diagnosis"]:
    try:
        from quiver.engine.remote.connection import Connection
    except ImportError as error:
        raise InputError(
            f"speaking to servers needs {error.name}: pip install 'quiver-embed[remote]'"
        ) from None
    from quiver.remote.examine import examine_server

    with Connection(url, api_key_env=api_key_env) as connection:
        return examine_server(connection, served_as=served_as, reference=reference)


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

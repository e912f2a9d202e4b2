"""Options of the commands that run on a Ray cluster."""

from typing import TYPE_CHECKING, Annotated

import typer

from quiver.errors import InputError

if TYPE_CHECKING:
    from quiver.cluster.connection import Workers

PANEL = "Cluster"

Ray = Annotated[
    str | None,
    typer.Option(
        "--ray",
        metavar="ADDRESS",
        help="Run on a Ray cluster: HOST:PORT, ray://HOST:10001, auto (this machine's) or local (its own).",
        rich_help_panel=PANEL,
    ),
]
RayWorkers = Annotated[
    int | None,
    typer.Option(
        "--ray-workers",
        min=1,
        metavar="N",
        help="Workers at most; else as many as fit.",
        rich_help_panel=PANEL,
    ),
]
RayProcessors = Annotated[
    int,
    typer.Option(
        "--ray-cpus",
        min=1,
        metavar="N",
        help="Processors of each worker, whose engine runs so many threads.",
        rich_help_panel=PANEL,
    ),
]


def workers_of(address: str, most: int | None, processors: int, url: str | None) -> "Workers":
    """What the options say; raises InputError if a server should run the model."""
    if url is not None:
        raise InputError(
            "--ray runs the model on the cluster's nodes and --url on a server: give one of them"
        )
    from quiver.cluster.connection import Workers

    return Workers(address=address, most=most, processors=processors)

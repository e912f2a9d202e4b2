"""``quiver embed --ray``: the options of the command to a job on a cluster."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quiver.cli.loading import ModelOptions, embedder_name
from quiver.cli.read import InputChoice
from quiver.cli.summary import counted
from quiver.errors import InputError
from quiver.rows.parse import Say

if TYPE_CHECKING:
    from quiver.cluster.connection import Workers


def embed_on_ray(
    choice: InputChoice,
    output: Path | None,
    model: ModelOptions,
    dimension: int | None,
    prompt: Mapping[str, Any],
    workers: "Workers",
    part_rows: int,
    say: Say,
    *,
    show_progress: bool | None,
) -> None:
    """Embed files on a cluster, and tell what it took."""
    if choice.arguments or not choice.files or any(str(path) == "-" for path in choice.files):
        raise InputError("--ray embeds files that all nodes reach; name them with --input")
    if output is None:
        raise InputError("--ray writes a folder of Parquet parts, or a NAME.lance; name it with --output")

    from quiver.cluster.embed import embed_files
    from quiver.cluster.shards import source_of
    from quiver.cluster.storage import address_of
    from quiver.cluster.worker import EmbedSettings

    sources = [
        source_of(address_of(path), choice.format and choice.format.value, choice.field)
        for path in choice.files
    ]
    settings = EmbedSettings(
        name=embedder_name(model), model=model.embedder_arguments(dimension), prompt=prompt
    )
    report = embed_files(
        sources, address_of(output), settings, workers, part_rows=part_rows, show_progress_bar=show_progress
    )
    total = report.total
    parts = [
        f"{counted(total.rows, 'text')}, {counted(report.dimension, 'dimension')}: "
        f"{total.tokens_in:,} tokens in, {total.tokens_computed:,} computed",
        f"{counted(report.shards, 'part')}, {report.found:,} found finished",
        f"{counted(report.workers, 'worker')}, {report.seconds:,.1f} s",
    ]
    if total.texts_cut:
        parts.append(
            f"{counted(total.texts_cut, 'text')} cut by {total.tokens_cut:,} tokens (column tokens_cut)"
        )
    say("; ".join(parts))

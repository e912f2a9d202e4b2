"""``quiver models``: which models there are."""

from quiver.cli import options
from quiver.models.catalog import CATALOG, CatalogEntry

EXAMPLES = """\b
Examples:
  quiver models
  quiver models --format jsonl
"""


def models(output_format: options.ListFormatOption = options.ListFormat.TABLE) -> None:
    """List the published models and the ones that ship with Quiver.

    Every other checkpoint of the same architecture works too, by its hub name or folder.
    """
    from dataclasses import asdict

    from quiver.cli.tables import Column, write_table
    from quiver.cli.target import open_target
    from quiver.cli.write import write_records

    with open_target(None) as target:
        if output_format is options.ListFormat.JSONL:
            write_records(target, map(asdict, CATALOG))
            return
        columns = (
            Column("model"),
            Column("size", align="right"),
            Column("layers", align="right"),
            Column("hidden", align="right"),
            Column("dim", align="right"),
            Column("context", align="right"),
            Column("features", flexible=True),
        )
        write_table(target, columns, map(_row, CATALOG))
        target.write(b"\n* ships with Quiver and works offline\n")


def _row(entry: CatalogEntry) -> tuple[str, ...]:
    features = {"MRL": entry.mrl, "instruction": entry.instruction_aware}
    return (
        f"{entry.name} *" if entry.builtin else entry.name,
        entry.parameters,
        str(entry.layers),
        str(entry.hidden_size),
        "-" if entry.embedding_dim is None else str(entry.embedding_dim),
        f"{entry.context // 1024}K",
        ", ".join(name for name, present in features.items() if present),
    )

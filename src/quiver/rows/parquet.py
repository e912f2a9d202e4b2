"""Parquet: a column of texts. What needs pyarrow (the extra) asks for it here."""

from collections.abc import Iterator
from typing import Any, BinaryIO

from quiver.errors import InputError, QuiverError
from quiver.rows.parse import Say, choose_field, missing_field

ROWS_AT_A_TIME = 4096


class MissingExtraError(QuiverError):
    """A part of Quiver that is installed on demand is not there."""


def import_pyarrow() -> Any:  # noqa: ANN401  (a module without types)
    """The pyarrow module, its Parquet part loaded."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise MissingExtraError(
            'Parquet needs pyarrow, which is not installed; run: pip install "quiver-embed[parquet]"'
        ) from None
    return pyarrow


def read_column(stream: BinaryIO, name: str, field: str | None, say: Say) -> Iterator[str]:
    """The texts of a string column."""
    arrow = import_pyarrow()
    try:
        file = arrow.parquet.ParquetFile(stream)
        column = string_column(arrow, file.schema_arrow, name, field)
        if field is None:
            say(f"{name}: reading the column {column!r}")
        row = 0
        for batch in file.iter_batches(batch_size=ROWS_AT_A_TIME, columns=[column]):
            for text in batch.column(0).to_pylist():
                row += 1
                if text is None:
                    raise InputError(f"{name}, row {row}: the column {column!r} is null")
                yield text
    except (arrow.ArrowException, OSError, UnicodeDecodeError) as error:
        reason = str(error).partition("\n")[0]
        raise InputError(f"{name} is not a whole Parquet file: {reason}") from error


def string_column(arrow: Any, schema: Any, name: str, field: str | None) -> str:  # noqa: ANN401
    """The column of texts, by its name or a usual one."""
    names: list[str] = schema.names
    column = choose_field(names, name) if field is None else field
    if column not in names:
        raise missing_field(column, names, name)
    if names.count(column) > 1:
        raise InputError(f"{name}: {names.count(column)} columns are named {column!r}")
    stored = schema.field(column).type
    values = stored.value_type if arrow.types.is_dictionary(stored) else stored
    strings = (arrow.types.is_string, arrow.types.is_large_string, arrow.types.is_string_view)
    if not any(is_kind(values) for is_kind in strings):
        raise InputError(f"{name}: the column {column!r} holds {stored}, not strings")
    return column

"""Parquet: rows of a columnar file, a block of them at a time."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow
import pyarrow.parquet

from quiver.errors import UnreadableFile
from quiver.search.ingest.document import one_line
from quiver.search.ingest.readers.table import Record, text_field

ROWS_AT_A_TIME = 1024
MOST_BYTES = 2_000_000_000
"""Of all columns unpacked, as the file declares them."""


def parquet_rows(location: Path) -> Iterator[Record]:
    """Every row; columns of vectors and other binary data are left out."""
    try:
        with pyarrow.parquet.ParquetFile(location) as file:
            _check_size(file.metadata)
            columns = [field.name for field in file.schema_arrow if _is_wanted(field)]
            for batch in file.iter_batches(batch_size=ROWS_AT_A_TIME, columns=columns):
                yield from map(Record, batch.to_pylist())
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise UnreadableFile(f"it is no whole Parquet file: {one_line(str(error))}") from None


def _check_size(metadata: pyarrow.parquet.FileMetaData) -> None:
    unpacked = sum(metadata.row_group(index).total_byte_size for index in range(metadata.num_row_groups))
    if unpacked > MOST_BYTES:
        raise UnreadableFile(f"it would unpack to {unpacked // 1_000_000:,} MB; split it")


def _is_wanted(field: pyarrow.Field) -> bool:
    """Texts, numbers, dates and the like; a text field of another type is for the table to refuse."""
    nested, binary = pyarrow.types.is_nested(field.type), pyarrow.types.is_binary(field.type)
    return text_field([field.name]) is not None or not (nested or binary)

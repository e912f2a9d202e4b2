"""Parquet: vectors or rankings out."""

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from quiver.cli.target import Target
from quiver.rows.parquet import import_pyarrow


class ParquetTable:
    """A Parquet file that grows block by block; the first block settles its columns and metadata."""

    def __init__(self, target: Target) -> None:
        self._arrow = import_pyarrow()
        self._target = target
        self._writer: Any = None

    def write(self, columns: Mapping[str, Any], metadata: Mapping[str, str]) -> None:
        """Add rows: a sequence, or a float32 array [N, dimension], under each column's name."""
        arrays = {name: self._array(values) for name, values in columns.items()}
        encoded = {key: os.fsencode(value) for key, value in metadata.items()}
        table = self._arrow.table(arrays).replace_schema_metadata(encoded)
        if self._writer is None:
            self._writer = self._arrow.parquet.ParquetWriter(self._target, table.schema)
        self._writer.write_table(table)

    def finish(self) -> None:
        """Write the footer, without which the file is not one."""
        self._writer.close()

    def _array(self, values: Any) -> Any:  # noqa: ANN401  (NumPy or a sequence in, Arrow out)
        if getattr(values, "ndim", 1) == 1:
            return self._arrow.array(values)
        flat = self._arrow.array(np.asarray(values).reshape(-1))
        return self._arrow.FixedSizeListArray.from_arrays(flat, values.shape[1])

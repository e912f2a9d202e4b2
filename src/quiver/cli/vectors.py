"""Vectors out: as JSONL, NumPy and Parquet files, and as a table for the eye.

All but the table are written block by block, so that a corpus larger than memory can pass through.
"""

import io
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.lib import format as npy

from quiver.cli.parquet import ParquetTable
from quiver.cli.tables import Column, write_table
from quiver.cli.target import Target, open_target, rewritable
from quiver.cli.terminal import one_line
from quiver.cli.write import OutputFormat, json_line
from quiver.results import Embeddings

VALUES_IN_TABLE = 4


@dataclass(frozen=True, slots=True)
class EmbeddedBlock:
    """Consecutive texts and their vectors."""

    first: int
    """Position of the first text in the whole input."""
    texts: Sequence[str]
    vectors: Embeddings

    def tokens_cut(self) -> list[int]:
        """Tokens that each text lost to the length limit."""
        lost = {cut.index: cut.removed for cut in self.vectors.cuts}
        return [lost.get(self.first + position, 0) for position in range(len(self.texts))]


class VectorWriter(Protocol):
    """Takes blocks in order, then ``finish``."""

    def write(self, block: EmbeddedBlock) -> None:
        """Add a block."""

    def finish(self) -> None:
        """Complete the output; without this call it is not whole."""


class JsonlVectors:
    """One object a line: index, text, tokens_cut if any, embedding."""

    def __init__(self, target: Target) -> None:
        self._target = target

    def write(self, block: EmbeddedBlock) -> None:
        """Add a block."""
        # Nine digits give every float32 back exactly; json.dumps would write seventeen, and more slowly.
        numbers = ", ".join(["%.9g"] * block.vectors.shape[1])
        rows = zip(block.texts, block.tokens_cut(), block.vectors.tolist(), strict=True)
        for index, (text, cut, vector) in enumerate(rows, start=block.first):
            record: dict[str, Any] = {"index": index, "text": text}
            if cut:
                record["tokens_cut"] = cut
            opened = json_line(record).removesuffix("}")
            line = f'{opened}, "embedding": [{numbers % tuple(vector)}]}}\n'
            self._target.write(line.encode())
        self._target.flush()

    def finish(self) -> None:
        """Nothing is left to do."""


class NpyVectors:
    """A NumPy file, float32 [N, dimension]; its header is written again when N is known."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._shape = (0, 0)

    def write(self, block: EmbeddedBlock) -> None:
        """Add a block."""
        rows, dimension = self._shape
        if not rows:
            dimension = block.vectors.shape[1]
            self._target.write(_npy_header((0, dimension)))
        self._target.write(np.asarray(block.vectors, dtype="<f4").tobytes())
        self._shape = (rows + len(block.texts), dimension)

    def finish(self) -> None:
        """Write the true header over the first one."""
        self._target.rewind()
        self._target.write(_npy_header(self._shape))


class ParquetVectors:
    """A Parquet file: index, text, tokens_cut, embedding; model and fingerprint in its metadata."""

    def __init__(self, target: Target, model: str) -> None:
        self._table = ParquetTable(target)
        self._model = model

    def write(self, block: EmbeddedBlock) -> None:
        """Add a block."""
        self._table.write(
            {
                "index": np.arange(block.first, block.first + len(block.texts)),
                "text": block.texts,
                "tokens_cut": np.asarray(block.tokens_cut()),
                "embedding": block.vectors,
            },
            {"quiver.model": self._model, "quiver.fingerprint": str(block.vectors.fingerprint)},
        )

    def finish(self) -> None:
        """Write the footer."""
        self._table.finish()


class TableVectors:
    """A table for the eye: index, the first values, the beginning of the text."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._rows: list[tuple[str, str, str]] = []
        self._dimension = 0

    def write(self, block: EmbeddedBlock) -> None:
        """Add a block."""
        self._dimension = block.vectors.shape[1]
        more = "  …" if self._dimension > VALUES_IN_TABLE else ""
        heads = block.vectors[:, :VALUES_IN_TABLE].tolist()
        for index, (text, head) in enumerate(zip(block.texts, heads, strict=True), start=block.first):
            values = "  ".join(f"{value:+.4f}" for value in head)
            self._rows.append((str(index), values + more, one_line(text)))

    def finish(self) -> None:
        """Print it."""
        columns = (
            Column("index", align="right"),
            Column(f"embedding ({self._dimension:,} values)"),
            Column("text", flexible=True),
        )
        write_table(self._target, columns, self._rows)


@contextmanager
def open_writer(chosen: OutputFormat, output: Path | None, model: str) -> Iterator[VectorWriter]:
    """Open a file or standard output for vectors; it is completed when the block ends without an error.

    ``model`` is what formats with metadata say about the vectors' origin.
    """
    with ExitStack() as opened:
        target = opened.enter_context(open_target(output))
        if chosen is OutputFormat.NPY:
            target = opened.enter_context(rewritable(target))
        writer = _writer(chosen, target, model)
        yield writer
        writer.finish()


def _writer(chosen: OutputFormat, target: Target, model: str) -> VectorWriter:
    match chosen:
        case OutputFormat.TABLE:
            return TableVectors(target)
        case OutputFormat.JSONL:
            return JsonlVectors(target)
        case OutputFormat.NPY:
            return NpyVectors(target)
        case OutputFormat.PARQUET:
            return ParquetVectors(target, model)


def _npy_header(shape: tuple[int, int]) -> bytes:
    """Of the same length whatever the count: NumPy leaves room for it to grow."""
    stream = io.BytesIO()
    npy.write_array_header_1_0(stream, {"descr": "<f4", "fortran_order": False, "shape": shape})
    return stream.getvalue()

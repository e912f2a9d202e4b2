"""Writing: vectors and rankings as JSONL, NumPy and Parquet, and as tables for the eye.

Vectors are written block by block, so that a corpus larger than memory can pass through.
"""

import json
import re
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from quiver.cli.target import Target, open_spool
from quiver.cli.terminal import Column, render_table
from quiver.errors import InputError

if TYPE_CHECKING:
    from quiver.results import Embeddings

VALUES_IN_TABLE = 4

NOT_IN_JSONL = re.compile("[\x7f-\x9f\u2028\u2029]")
"""Legal in JSON, but they steer terminals, or end lines for readers that split on more than a newline."""


class OutputFormat(StrEnum):
    """Formats that results go out in."""

    TABLE = "table"
    JSONL = "jsonl"
    NPY = "npy"
    PARQUET = "parquet"


SUFFIXES = {
    ".jsonl": OutputFormat.JSONL,
    ".ndjson": OutputFormat.JSONL,
    ".npy": OutputFormat.NPY,
    ".parquet": OutputFormat.PARQUET,
}


@dataclass(frozen=True, slots=True)
class EmbeddedBlock:
    """Consecutive texts and their vectors."""

    first: int
    """Position of the first text in the whole input."""
    texts: Sequence[str]
    vectors: "Embeddings"

    def tokens_cut(self) -> list[int]:
        """Tokens that each text lost to the length limit."""
        lost = {cut.index: cut.removed for cut in self.vectors.cuts}
        return [lost.get(self.first + position, 0) for position in range(len(self.texts))]


@dataclass(frozen=True, slots=True, kw_only=True)
class RankedText:
    """One document of a ranking, as it is printed."""

    rank: int
    index: int
    """Position of the document in the whole input."""
    score: float
    log_odds: float
    text: str
    tokens_cut: int


class VectorWriter(Protocol):
    """Takes blocks in order, then ``finish``."""

    def write(self, block: EmbeddedBlock) -> None:
        """Add a block."""

    def finish(self) -> None:
        """Complete the output; without this call it is not whole."""


def choose_format(
    asked: OutputFormat | None, output: Path | None, possible: Iterable[OutputFormat]
) -> OutputFormat:
    """The format asked for, else the one that the file's suffix or the terminal suggests."""
    on_terminal = output is None and sys.stdout is not None and sys.stdout.isatty()
    if asked is not None:
        chosen = asked
    elif output is None:
        chosen = OutputFormat.TABLE if on_terminal else OutputFormat.JSONL
    else:
        chosen = _format_of(output)
    if chosen not in possible:
        raise InputError(f"this command does not write {chosen}; it writes {', '.join(possible)}")
    if chosen is OutputFormat.TABLE and output is not None:
        raise InputError("a table is for the terminal; write jsonl or parquet to a file")
    if on_terminal and chosen in (OutputFormat.NPY, OutputFormat.PARQUET):
        raise InputError(f"{chosen} is binary and not for a terminal; give a file with --output")
    return chosen


def _format_of(output: Path) -> OutputFormat:
    if output.exists() and not output.is_file():
        return OutputFormat.JSONL  # a device or a pipe has no telling suffix
    found = SUFFIXES.get(output.suffix.lower())
    if found is None:
        raise InputError(
            f"{output}: its name does not say what to write; let it end in {', '.join(SUFFIXES)}, "
            "or say what to write with --format"
        )
    return found


def json_line(record: Mapping[str, Any]) -> str:
    """A record on one line, readable in every script and harmless on a terminal."""
    text = json.dumps(record, ensure_ascii=False)
    return NOT_IN_JSONL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


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
        self._final = target
        self._cleanup = ExitStack()
        self._body = target
        self._spool: Any = None
        if not target.rewritable:
            self._body, self._spool = self._cleanup.enter_context(open_spool())
        self._rows = 0
        self._dimension = 0

    def write(self, block: EmbeddedBlock) -> None:
        """Add a block."""
        import numpy as np

        if not self._dimension:
            self._dimension = block.vectors.shape[1]
            self._body.write(self._header())
        self._body.write(np.asarray(block.vectors, dtype="<f4").tobytes())
        self._rows += len(block.texts)

    def finish(self) -> None:
        """Write the true header, and what was held back for a pipe."""
        self._body.rewind()
        self._body.write(self._header())
        if self._spool is None:
            return
        with self._cleanup:
            self._body.rewind()
            shutil.copyfileobj(self._spool, self._final)

    def _header(self) -> bytes:
        """Always of the same length: NumPy leaves room for the count to grow."""
        import io

        from numpy.lib import format as npy

        stream = io.BytesIO()
        shape = (self._rows, self._dimension)
        npy.write_array_header_1_0(stream, {"descr": "<f4", "fortran_order": False, "shape": shape})
        return stream.getvalue()


class ParquetVectors:
    """A Parquet file: index, text, tokens_cut, embedding; model and fingerprint in its metadata."""

    def __init__(self, target: Target, model: str) -> None:
        from quiver.cli.parquet import ParquetTable

        self._table = ParquetTable(target)
        self._model = model

    def write(self, block: EmbeddedBlock) -> None:
        """Add a block."""
        self._table.write(
            {
                "index": range(block.first, block.first + len(block.texts)),
                "text": block.texts,
                "tokens_cut": block.tokens_cut(),
                "embedding": self._table.vectors(block.vectors),
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


def vector_writer(chosen: OutputFormat, target: Target, model: str) -> VectorWriter:
    """The writer of a format; ``model`` is what files that hold metadata say about the vectors' origin."""
    match chosen:
        case OutputFormat.TABLE:
            return TableVectors(target)
        case OutputFormat.JSONL:
            return JsonlVectors(target)
        case OutputFormat.NPY:
            return NpyVectors(target)
        case OutputFormat.PARQUET:
            return ParquetVectors(target, model)

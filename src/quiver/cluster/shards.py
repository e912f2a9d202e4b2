"""Shards: the pieces that a job is done in. The same input gives the same shards, whoever cuts it.

Text and JSONL are cut at lines, Parquet at rows; a CSV file is one shard, since fields may have line breaks.
"""

import codecs
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from quiver.cluster.storage import Place
from quiver.errors import InputError
from quiver.rows import parse
from quiver.rows.parquet import import_pyarrow, string_column

FORMATS = {
    "txt": "txt",
    "text": "txt",
    "jsonl": "jsonl",
    "ndjson": "jsonl",
    "csv": "csv",
    "tsv": "tsv",
    "parquet": "parquet",
}
"""By the ending of a name."""
DELIMITERS = {"csv": ",", "tsv": "\t"}
GROUP_PARTS = 16
"""Shards of one row group of Parquet at most: each reads the column of the whole group."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file of texts."""

    address: str
    format: str
    field: str | None = None
    """JSON field or column; None takes a usual one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Consecutive rows of a file."""

    source: Source
    start: int
    """Row of the file."""
    rows: int
    offset: int = 0
    """Byte where the first row begins, in files of lines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """A piece with its place in the whole input."""

    number: int
    first: int
    """Row of the whole input."""
    piece: Piece


def source_of(address: str, format_: str | None, field: str | None) -> Source:
    """How to read a file; raises InputError if its name does not say, or if it is not there."""
    place = Place(address)
    if place.is_folder():
        raise InputError(f"{address} is a folder; name a file in it")
    if not place.exists():
        raise InputError(f"{address} does not exist")
    found = format_ or FORMATS.get(place.name.rpartition(".")[2].lower())
    if found is None:
        raise InputError(
            f"{address}: its name does not say what it holds; it may end in {', '.join(FORMATS)}, "
            "or say what it is with --input-format"
        )
    return Source(address=place.absolute, format=found, field=None if found == "txt" else field)


def pieces_of(source: Source, rows: int) -> list[Piece]:
    """The pieces of a file, of so many rows; reads it once, or of Parquet its footer alone."""
    match source.format:
        case "parquet":
            return list(_parquet_pieces(source, rows))
        case "txt" | "jsonl":
            return list(_line_pieces(source, rows))
    with Place(source.address).open() as stream:
        texts = parse.table(
            stream, source.address, source.field, _ignore, delimiter=DELIMITERS[source.format]
        )
        return [Piece(source=source, start=0, rows=sum(1 for _ in texts))]


def numbered(pieces: Sequence[Sequence[Piece]]) -> list[Shard]:
    """Shards of the files' pieces, in order."""
    shards: list[Shard] = []
    first = 0
    for piece in (piece for of_file in pieces for piece in of_file if piece.rows):
        shards.append(Shard(number=len(shards), first=first, piece=piece))
        first += piece.rows
    return shards


def texts_of(piece: Piece) -> Iterator[str]:
    """The texts of a piece; raises InputError if the file is not what was cut, or a row is malformed."""
    source = piece.source
    count = 0
    with Place(source.address).open() as stream:
        match source.format:
            case "parquet":
                texts = _parquet_texts(stream, piece)
            case "txt" | "jsonl":
                stream.seek(piece.offset)
                name = source.address if not piece.start else f"{source.address} from row {piece.start + 1}"
                found = (
                    parse.lines(stream, name)
                    if source.format == "txt"
                    else parse.jsonl(stream, name, source.field, _ignore)
                )
                texts = islice(found, piece.rows)
            case _:
                texts = parse.table(
                    stream, source.address, source.field, _ignore, delimiter=DELIMITERS[source.format]
                )
        for text in texts:
            count += 1
            yield text
    if count != piece.rows:
        raise InputError(
            f"{source.address} has changed since the job began; start it again with another output"
        )


def _line_pieces(source: Source, rows: int) -> Iterator[Piece]:
    field = source.field
    start = offset = position = count = 0
    with Place(source.address).open() as stream:
        for number, raw in enumerate(stream):
            content = raw.removeprefix(codecs.BOM_UTF8) if number == 0 else raw
            is_row = (
                bool(content) if source.format == "txt" else bool(content.decode(errors="replace").strip())
            )
            if is_row and source.format == "jsonl" and field is None:
                field = _field_of(content, f"{source.address}, line {number + 1}")
            if is_row and count == rows:
                yield Piece(source=_with_field(source, field), start=start, rows=count, offset=offset)
                start, offset, count = start + count, position, 0
            count += is_row
            position += len(raw)
    yield Piece(source=_with_field(source, field), start=start, rows=count, offset=offset)


def _field_of(line: bytes, where: str) -> str | None:
    """The field that the first object settles, as a single reader of the file would."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None  # who reads the piece says what is wrong with it
    return parse.choose_field(list(value), where) if isinstance(value, dict) else None


def _with_field(source: Source, field: str | None) -> Source:
    return Source(address=source.address, format=source.format, field=field)


def _parquet_pieces(source: Source, rows: int) -> Iterator[Piece]:
    arrow = import_pyarrow()
    with Place(source.address).open() as stream:
        try:
            file = arrow.parquet.ParquetFile(stream)
            column = string_column(arrow, file.schema_arrow, source.address, source.field)
            groups = [file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)]
        except (arrow.ArrowException, OSError) as error:
            reason = str(error).partition("\n")[0]
            raise InputError(f"{source.address} is not a whole Parquet file: {reason}") from error
    start = 0
    for group in groups:
        size = max(rows, -(-group // GROUP_PARTS))
        for first in range(0, group, size):
            yield Piece(
                source=_with_field(source, column), start=start + first, rows=min(size, group - first)
            )
        start += group


def _parquet_texts(stream: object, piece: Piece) -> Iterator[str]:
    arrow = import_pyarrow()
    name = piece.source.address
    try:
        file = arrow.parquet.ParquetFile(stream)
        start = 0
        for number in range(file.num_row_groups):
            stop = start + file.metadata.row_group(number).num_rows
            if start <= piece.start < stop:
                column = file.read_row_group(number, columns=[piece.source.field]).column(0)
                texts = column.slice(piece.start - start, piece.rows).to_pylist()
                break
            start = stop
        else:
            return
    except (arrow.ArrowException, OSError, UnicodeDecodeError) as error:
        reason = str(error).partition("\n")[0]
        raise InputError(f"{name} is not a whole Parquet file: {reason}") from error
    for row, text in enumerate(texts, start=piece.start + 1):
        if text is None:
            raise InputError(f"{name}, row {row}: the column {piece.source.field!r} is null")
        yield text


def _ignore(message: str) -> None:
    """Fields are chosen where the file is cut."""

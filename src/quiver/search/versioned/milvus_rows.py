"""Milvus rows: tables' rows as Milvus keeps them, and back.

Milvus counts a text's bytes and takes 65,535 of them, so long texts are kept in pieces.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pymilvus import DataType, MilvusClient

from quiver.search.info_file import write_info
from quiver.search.store import IndexInfo
from quiver.search.versioned.tables import FOREVER, Row, Table

LONGEST = 65_535
"""Bytes of a text."""
PIECE = 16_000
"""Characters, which are at most four bytes each."""
PIECES = 1_000
FILTERED = 4_000
"""Characters of a title, a heading trail or a value of the metadata that filters see."""
KEYS_BYTES = 60_000
"""Metadata that filters see; Milvus takes 65,536 bytes of JSON."""
MOST_TERMS = 4_096
"""Different terms of a passage that count for their rarity: as many as Milvus takes in an array."""
NO_WEIGHTS = {0: 1e-6}
"""Milvus has no empty sparse vectors."""

PIECED = ("text", "title_whole", "details", "words", "content")
"""Columns that are kept in pieces."""


def passage_schema(info: IndexInfo) -> Any:  # noqa: ANN401  (pymilvus has no types)
    """Columns of passages."""
    schema = MilvusClient.create_schema(description=write_info(info))
    _add_identity(schema)
    schema.add_field("number", DataType.INT64)
    for name in ("title", "headings"):
        schema.add_field(name, DataType.VARCHAR, max_length=4 * FILTERED)
    for name in ("first_line", "last_line", "page"):
        schema.add_field(name, DataType.INT64, nullable=True)
    schema.add_field("start", DataType.INT64)
    for name in ("text", "title_whole", "details", "words"):
        _add_pieces(schema, name)
    schema.add_field("keys", DataType.JSON)
    schema.add_field("terms", DataType.ARRAY, element_type=DataType.INT64, max_capacity=MOST_TERMS)
    schema.add_field("weights", DataType.SPARSE_FLOAT_VECTOR)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=info.fingerprint.dimension)
    if info.shortlist_dimension is not None:
        schema.add_field("short", DataType.FLOAT_VECTOR, dim=info.shortlist_dimension)
    return schema


def file_schema() -> Any:  # noqa: ANN401  (pymilvus has no types)
    """Columns of files and notes."""
    schema = MilvusClient.create_schema()
    _add_identity(schema)
    schema.add_field("digest", DataType.VARCHAR, max_length=200)
    for name in ("passages", "words"):
        schema.add_field(name, DataType.INT64)
    _add_pieces(schema, "content")
    schema.add_field("unused", DataType.FLOAT_VECTOR, dim=2)  # Milvus has no table without vectors
    return schema


def _add_identity(schema: Any) -> None:  # noqa: ANN401  (pymilvus has no types)
    schema.add_field("id", DataType.VARCHAR, max_length=64, is_primary=True)
    schema.add_field("path", DataType.VARCHAR, max_length=LONGEST)
    for name in ("born", "died"):
        schema.add_field(name, DataType.INT64)


def _add_pieces(schema: Any, name: str) -> None:  # noqa: ANN401  (pymilvus has no types)
    schema.add_field(
        name, DataType.ARRAY, element_type=DataType.VARCHAR, max_capacity=PIECES, max_length=LONGEST
    )


def entity_of(table: Table, row: Row) -> dict[str, Any]:
    """A row as Milvus keeps it."""
    if table == "files":
        about: dict[str, Any] = {"digest": "", "passages": 0, "words": 0, "content": ""} | row
        return about | {"content": _pieces(about["content"]), "unused": [0.0, 0.0]}
    entity = dict(row)
    entity["title_whole"] = row["title"]
    for name in ("title", "headings"):
        entity[name] = row[name][:FILTERED]
    for name in ("text", "title_whole", "details", "words"):
        entity[name] = _pieces(entity[name])
    entity["keys"] = _filterable(row["keys"])
    entity["terms"] = list(row["weights"])[:MOST_TERMS]
    entity["weights"] = row["weights"] or NO_WEIGHTS
    for name in ("vector", "short"):
        if name in row:
            entity[name] = row[name].tolist()
    return entity


def note_of(name: str, content: str) -> dict[str, Any]:
    """A row of files that never holds."""
    row = {"id": name, "path": "", "born": FOREVER, "died": FOREVER, "content": content}
    return entity_of("files", row)


def row_of(entity: dict[str, Any]) -> Row:
    """What ``entity_of`` made, of the columns that were asked for."""
    row: Row = {
        name: "".join(value) if name in PIECED and not isinstance(value, int) else value
        for name, value in entity.items()
    }
    if "title_whole" in row:
        row["title"] = row.pop("title_whole")
    if "vector" in row:
        row["vector"] = np.asarray(row["vector"], np.float32)
    return row


def stored(columns: Sequence[str]) -> list[str]:
    """The columns of a collection that make those of a table."""
    return ["title_whole" if name == "title" else name for name in columns]


def _pieces(text: str) -> list[str]:
    return [text[start : start + PIECE] for start in range(0, len(text), PIECE)]


def _filterable(keys: Mapping[str, str | float]) -> dict[str, str | float]:
    """As much of the metadata as Milvus takes, in its order."""
    kept: dict[str, str | float] = {}
    room = KEYS_BYTES
    for name, value in keys.items():
        cut = value[:FILTERED] if isinstance(value, str) else value
        room -= len(json.dumps({name: cut}))
        if room < 0:
            break
        kept[name] = cut
    return kept

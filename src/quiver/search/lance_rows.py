"""Lance rows: passages as Arrow tables and back."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from quiver.embedder import normalize
from quiver.results import Floats
from quiver.search.described import described
from quiver.search.filters import filter_keys
from quiver.search.passages import Passage
from quiver.search.store import Found, IndexedFile, IndexInfo
from quiver.search.stored_passage import columns_of, passage_of
from quiver.text.terms import terms

FILES = pa.schema([pa.field("path", pa.string(), nullable=False), pa.field("digest", pa.string())])

SHOWN = ("path", "number", "text", "title", "details", "first_line", "last_line", "page", "start")
"""Columns that make a passage."""


def passage_schema(info: IndexInfo) -> pa.Schema:
    """Columns of passages; ``short`` stands beside ``vector`` where a shortlist is made."""
    fields = [
        pa.field("path", pa.string(), nullable=False),
        pa.field("number", pa.int32(), nullable=False),
        pa.field("text", pa.string()),
        pa.field("title", pa.string()),
        pa.field("headings", pa.string()),
        pa.field("first_line", pa.int32()),
        pa.field("last_line", pa.int32()),
        pa.field("page", pa.int32()),
        pa.field("start", pa.int64()),
        pa.field("details", pa.string()),
        pa.field("keys", pa.json_()),
        pa.field("terms", pa.string()),
        pa.field("vector", pa.list_(pa.float32(), info.fingerprint.dimension)),
    ]
    if info.shortlist_dimension is not None:
        fields.append(pa.field("short", pa.list_(pa.float32(), info.shortlist_dimension)))
    return pa.schema(fields)


def passage_table(files: Sequence[IndexedFile], schema: pa.Schema) -> pa.Table:
    """All passages of the files."""
    numbered = [pair for file in files for pair in enumerate(file.passages)]
    rows: dict[str, list[Any]] = {
        name: [] for name in schema.names if name not in ("vector", "short", "keys")
    }
    for number, passage in numbered:
        for name, value in _row(number, passage).items():
            rows[name].append(value)
    columns = {name: pa.array(values, schema.field(name).type) for name, values in rows.items()}
    keys = pa.array([json.dumps(filter_keys(p.metadata)) for _, p in numbered], pa.string())
    columns["keys"] = pa.ExtensionArray.from_storage(pa.json_(), keys)
    vectors = _stacked(files, schema.field("vector").type.list_size)
    columns["vector"] = _vector_array(vectors)
    if "short" in schema.names:
        columns["short"] = _vector_array(normalize(vectors[:, : schema.field("short").type.list_size]))
    return pa.table([columns[name] for name in schema.names], schema=schema)


def file_table(files: Sequence[IndexedFile], *, finished: bool) -> pa.Table:
    """The files' digests, or empty ones for files that are under way."""
    digests = [file.digest if finished else "" for file in files]
    return pa.table({"path": [file.path for file in files], "digest": digests}, schema=FILES)


def found_of(row: Mapping[str, Any], score: float) -> Found:
    """A search's result of a row that has the columns ``SHOWN``."""
    return Found(passage_of(row), row["number"], score)


def vectors_of(table: pa.Table, dimension: int) -> Floats:
    """The whole vectors of rows [N, dimension]."""
    flat = table["vector"].combine_chunks()
    values = flat.flatten().to_numpy() if len(table) else np.empty(0, np.float32)
    return np.asarray(values, np.float32).reshape(len(table), dimension)


def _row(number: int, passage: Passage) -> dict[str, Any]:
    own = {"path": passage.path, "terms": " ".join(terms(described(passage)))}
    return columns_of(number, passage) | own


def _stacked(files: Sequence[IndexedFile], dimension: int) -> Floats:
    parts = [np.asarray(file.vectors, np.float32).reshape(-1, dimension) for file in files]
    return np.concatenate(parts) if parts else np.empty((0, dimension), np.float32)


def _vector_array(rows: Floats) -> Any:  # noqa: ANN401  (pyarrow has no types)
    flat = pa.array(np.ascontiguousarray(rows, np.float32).ravel())
    return pa.FixedSizeListArray.from_arrays(flat, rows.shape[1])

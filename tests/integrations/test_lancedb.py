"""LanceDB's tables embed documents as documents and queries as queries, also when opened again."""

import asyncio
from pathlib import Path
from typing import Any

import lancedb
import numpy as np
import pyarrow as pa
import pytest
from lancedb.embeddings import get_registry
from lancedb.pydantic import LanceModel, Vector

import quiver.integrations.lancedb  # noqa: F401  (makes the function known)
from quiver import Embedder
from quiver.errors import FingerprintMismatch, TooLongError
from tests.checkpoints import write_checkpoint
from tests.integrations.texts import DOCUMENTS, INSTRUCTION, QUERY


def function(**settings: Any) -> Any:
    """As users make one."""
    return get_registry().get("quiver").create(**settings)


def make_table(folder: Path, made: Any) -> lancedb.table.Table:
    class Note(LanceModel):
        text: str = made.SourceField()
        vector: Vector(made.ndims()) = made.VectorField()  # type: ignore[valid-type]

    table = lancedb.connect(folder).create_table("notes", schema=Note)
    table.add([{"text": text} for text in DOCUMENTS])
    return table


def function_of(table: lancedb.table.Table) -> Any:
    [config] = table.embedding_functions.values()
    return config.function


def vectors_of(table: lancedb.table.Table) -> list[list[float]]:
    vectors: list[list[float]] = table.to_arrow()["vector"].to_pylist()
    return vectors


def distances(table: lancedb.table.Table) -> dict[str, float]:
    search: Any = table.search(QUERY)
    rows = search.distance_type("cosine").limit(10).to_list()
    return {row["text"]: row["_distance"] for row in rows}


def test_documents_are_embedded_as_documents(
    embedding_model: str, embedder: Embedder, tmp_path: Path
) -> None:
    table = make_table(tmp_path, function(name=embedding_model, dtype="float32"))
    assert vectors_of(table) == embedder.encode_document(DOCUMENTS).tolist()


def test_queries_are_embedded_as_queries(embedding_model: str, embedder: Embedder) -> None:
    made = function(name=embedding_model, dtype="float32")
    [query] = made.compute_query_embeddings(QUERY)
    [document] = made.compute_source_embeddings(QUERY)
    assert np.array_equal(query, np.asarray(embedder.encode_query(QUERY)))
    assert not np.array_equal(query, document)


def test_instruction_and_dimension_are_settings(
    embedding_model: str, embedder: Embedder, tmp_path: Path
) -> None:
    made = function(name=embedding_model, dtype="float32", instruction=INSTRUCTION, truncate_dim=16)
    expected = embedder.encode_query(QUERY, instruction=INSTRUCTION, truncate_dim=16)
    assert np.array_equal(made.compute_query_embeddings(QUERY)[0], np.asarray(expected))
    table = make_table(tmp_path, made)
    assert vectors_of(table) == embedder.encode_document(DOCUMENTS, truncate_dim=16).tolist()


def test_arrow_columns_with_gaps() -> None:
    made = function()
    column = pa.chunked_array([[DOCUMENTS[0], None], [DOCUMENTS[1]]])
    first, gap, second = made.compute_source_embeddings(column)
    assert gap is None
    assert np.array_equal([first, second], made.compute_source_embeddings(DOCUMENTS[:2]))


def test_a_search_by_text(tmp_path: Path) -> None:
    table = make_table(tmp_path, function())
    assert table.search(QUERY).limit(1).to_list()[0]["text"] == DOCUMENTS[1]
    embedder = Embedder()
    cosine = embedder.similarity(embedder.encode_query(QUERY), embedder.encode_document(DOCUMENTS))[0]
    found = distances(table)
    assert [found[text] for text in DOCUMENTS] == pytest.approx((1 - cosine).tolist(), abs=1e-6)


def test_a_table_that_is_opened_again(embedding_model: str, tmp_path: Path) -> None:
    made = function(name=embedding_model, instruction=INSTRUCTION, truncate_dim=16)
    before = distances(make_table(tmp_path, made))
    table = lancedb.connect(tmp_path).open_table("notes")
    assert distances(table) == before
    again = function_of(table)
    assert (again.name, again.instruction, again.truncate_dim) == (embedding_model, INSTRUCTION, 16)
    table.add([{"text": "a new one"}])
    assert vectors_of(table)[-1] == made.compute_source_embeddings("a new one")[0].tolist()


def test_a_table_refuses_another_model_under_the_same_name(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "model")
    made = function(name=str(folder), dtype="float32")
    make_table(tmp_path / "tables", made)
    again = function_of(lancedb.connect(tmp_path / "tables").open_table("notes"))
    other = again.model_copy(update={"name": None})
    with pytest.raises(FingerprintMismatch, match="the table's vectors were made with quiver1:"):
        other.compute_query_embeddings(QUERY)


def test_an_error_is_told_at_once_and_as_it_is(tmp_path: Path) -> None:
    table = make_table(tmp_path, function(max_length=50))
    with pytest.raises(TooLongError, match="text 0"):
        table.search("word " * 100)


def test_asynchronous_search(tmp_path: Path) -> None:
    make_table(tmp_path, function())

    async def search() -> list[dict[str, Any]]:
        database = await lancedb.connect_async(tmp_path)
        table = await database.open_table("notes")
        rows: list[dict[str, Any]] = await (await table.search(QUERY)).limit(1).to_list()
        return rows

    [best] = asyncio.run(search())
    assert best["text"] == DOCUMENTS[1]

"""Vector stores: ours, and the databases that people use directly, over the same vectors.

Each peer is set up as its documentation advises for about a million rows, with the whole vectors kept.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.synthetic import BLOCK, Synthetic
from quiver.models.fingerprint import Fingerprint
from quiver.results import Floats
from quiver.search.lance_store import LanceStore
from quiver.search.passages import Passage
from quiver.search.store import IndexedFile, IndexInfo

Ask = Callable[[Floats, int], set[int]]
"""A query and how many rows are wanted, to the rows found."""

PASSAGES_A_FILE = 100
FILES_A_PUT = 100


def quiver(vectors: Floats, synthetic: Synthetic, folder: Path) -> tuple[LanceStore, Ask]:
    """Our default store: passages with text, word index and vector index."""
    space = Fingerprint(
        weights="-",
        tokenizer="-",
        pooling="-",
        prompts="-",
        dimension=vectors.shape[1],
        precision="float32",
    )
    store = LanceStore.create(folder, IndexInfo(model=None, fingerprint=space, max_tokens=1))
    for block in _files(vectors, synthetic):
        store.put(block)
    store.optimize()

    def ask(query: Floats, count: int) -> set[int]:
        hits = store.search_vectors(query, count)
        return {int(hit.passage.path) * PASSAGES_A_FILE + hit.number for hit in hits}

    return store, ask


def lancedb_direct(vectors: Floats, folder: Path) -> Ask:
    """LanceDB's IVF-PQ with its own numbers of partitions and parts, 10 vectors reread for each result."""
    import lancedb
    from lancedb.index import IvfPq

    schema = pa.schema([("row", pa.int64()), ("vector", pa.list_(pa.float32(), vectors.shape[1]))])
    table = lancedb.connect(folder).create_table("vectors", schema=schema)
    for start in range(0, len(vectors), BLOCK):
        block = np.asarray(vectors[start : start + BLOCK])
        rows = pa.array(np.arange(start, start + len(block)))
        lists = pa.FixedSizeListArray.from_arrays(pa.array(block.ravel()), vectors.shape[1])
        table.add(pa.Table.from_arrays([rows, lists], schema=schema))
    table.create_index("vector", config=IvfPq(distance_type="cosine"))

    def ask(query: Floats, count: int) -> set[int]:
        search: Any = table.search(query)
        found = search.distance_type("cosine").nprobes(32).refine_factor(10).limit(count).select(["row"])
        return set(found.to_arrow()["row"].to_pylist())

    return ask


def faiss_partitions(vectors: Floats) -> Ask:
    """FAISS in memory: 4,096 partitions of whole vectors, 32 of them looked into."""
    import faiss

    partitions = int(min(4096, max(1, len(vectors) // 100)))
    index: Any = faiss.index_factory(vectors.shape[1], f"IVF{partitions},Flat", faiss.METRIC_INNER_PRODUCT)
    size = min(len(vectors), 40 * partitions)
    sample = np.random.default_rng(0).choice(len(vectors), size, replace=False)
    index.train(np.asarray(vectors[np.sort(sample)]))
    for start in range(0, len(vectors), BLOCK):
        index.add(np.asarray(vectors[start : start + BLOCK]))
    index.nprobe = 32
    return _faiss_ask(index)


def faiss_graph(vectors: Floats) -> Ask:
    """FAISS in memory: HNSW with 32 links, 128 candidates kept while searching."""
    import faiss

    index: Any = faiss.index_factory(vectors.shape[1], "HNSW32", faiss.METRIC_INNER_PRODUCT)
    for start in range(0, len(vectors), BLOCK):
        index.add(np.asarray(vectors[start : start + BLOCK]))
    index.hnsw.efSearch = 128
    return _faiss_ask(index)


def pgvector_direct(vectors: Floats, connection: str) -> Ask:
    """PostgreSQL with pgvector: HNSW with its own numbers, 100 candidates kept while searching."""
    import psycopg
    from pgvector.psycopg import register_vector

    database = psycopg.connect(connection, autocommit=True)
    database.execute("CREATE EXTENSION IF NOT EXISTS vector")
    register_vector(database)
    database.execute("DROP TABLE IF EXISTS benchmark_vectors")
    database.execute(f"CREATE TABLE benchmark_vectors (row bigint, vector vector({vectors.shape[1]}))")
    with database.cursor().copy("COPY benchmark_vectors FROM STDIN WITH (FORMAT BINARY)") as sink:
        sink.set_types(["int8", "vector"])
        for number, vector in enumerate(vectors):
            sink.write_row((number, np.asarray(vector)))
    database.execute("SET maintenance_work_mem = '6GB'")
    database.execute("CREATE INDEX ON benchmark_vectors USING hnsw (vector vector_cosine_ops)")
    database.execute("SET hnsw.ef_search = 100")

    def ask(query: Floats, count: int) -> set[int]:
        nearest = "SELECT row FROM benchmark_vectors ORDER BY vector <=> %s LIMIT %s"
        return {row for (row,) in database.execute(nearest, (query, count))}

    return ask


def _faiss_ask(index: Any) -> Ask:  # noqa: ANN401  (it has no types)
    return lambda query, count: set(index.search(query[None], count)[1][0].tolist())


def _files(vectors: Floats, synthetic: Synthetic) -> Iterator[list[IndexedFile]]:
    """Files of passages, as many at a time as a batch holds."""
    step = PASSAGES_A_FILE * FILES_A_PUT
    for start in range(0, len(vectors), step):
        block = np.asarray(vectors[start : start + step])
        parts = range(0, len(block), PASSAGES_A_FILE)
        yield [
            _file(synthetic, (start + part) // PASSAGES_A_FILE, block[part : part + PASSAGES_A_FILE])
            for part in parts
        ]


def _file(synthetic: Synthetic, number: int, vectors: Floats) -> IndexedFile:
    path = f"{number:08}"
    passages = [
        Passage(
            text=synthetic.text(),
            path=path,
            title="",
            headings=(),
            first_line=line,
            last_line=line,
            page=None,
            start=line,
        )
        for line in range(len(vectors))
    ]
    return IndexedFile(path=path, digest=path, passages=passages, vectors=vectors)

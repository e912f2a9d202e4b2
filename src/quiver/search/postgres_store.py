"""Postgres store: the same on PostgreSQL with pgvector, an index in a schema of its own.

A ``put`` is one transaction. BM25 is counted in SQL over arrays of terms, for PostgreSQL's own ranking knows
no rarity of words: exact, and slower than LanceDB's where a query's words are in most passages.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import psycopg
from pgvector.psycopg import register_vector
from psycopg.rows import dict_row
from psycopg.sql import SQL, Composed, Identifier, Literal

from quiver.embedder import normalize
from quiver.errors import IndexBusy, NoIndex, StoreError
from quiver.results import Floats
from quiver.search.described import described, heading_trail
from quiver.search.filters import Column, Comparison, Filter, filter_keys, key_of, keys_of, render
from quiver.search.info_file import read_info, write_info
from quiver.search.store import Found, IndexedFile, IndexInfo
from quiver.search.stored_passage import passage_of
from quiver.text.terms import terms

EXACT_BYTES = 128 * 2**20
"""Vectors that are compared one by one; beyond it an HNSW index is built."""
SHORTLIST_FACTOR = 10
"""Candidates that short vectors find for each result of the whole ones."""
LONGEST_INDEXED = 2000
"""Dimensions that pgvector's HNSW takes; longer vectors need a shortlist to be searched by index."""

TABLES = """
CREATE EXTENSION IF NOT EXISTS vector;
CREATE SCHEMA IF NOT EXISTS {schema};
CREATE TABLE {schema}.files (path text COLLATE "C" PRIMARY KEY, digest text NOT NULL);
CREATE TABLE {schema}.passages (
    path text COLLATE "C" NOT NULL REFERENCES {schema}.files ON DELETE CASCADE,
    number int NOT NULL,
    text text NOT NULL,
    title text COLLATE "C" NOT NULL,
    headings text COLLATE "C" NOT NULL,
    first_line int,
    last_line int,
    page int,
    start bigint NOT NULL,
    details text NOT NULL,
    keys jsonb NOT NULL,
    terms text[] NOT NULL,
    vector vector({dimension}) NOT NULL,
    short vector({short}) NOT NULL,
    PRIMARY KEY (path, number)
);
CREATE INDEX passages_terms ON {schema}.passages USING gin (terms);
CREATE TABLE {schema}.info (content text NOT NULL);
INSERT INTO {schema}.info VALUES ({info});
"""

BM25 = """
WITH corpus AS (
    SELECT count(*) AS size, greatest(avg(cardinality(terms)), 1) AS mean FROM {schema}.passages
), asked AS (
    SELECT term, ln(1 + (size - holders + 0.5) / (holders + 0.5)) AS rarity
    FROM corpus, unnest(%(words)s::text[]) AS term,
    LATERAL (SELECT count(*) AS holders FROM {schema}.passages WHERE terms @> ARRAY[term]) AS held
)
SELECT {columns}, (
    SELECT sum(rarity * times * 2.2 / (times + 1.2 * (0.25 + 0.75 * cardinality(terms) / mean)))
    FROM asked, LATERAL (SELECT cardinality(array_positions(terms, term)) AS times) AS counted
)::float8 AS score
FROM {schema}.passages, corpus
WHERE terms && %(words)s::text[] AND {where}
ORDER BY score DESC, path, number
LIMIT %(count)s
"""

NEAREST = """
SELECT {columns}, vector, {column} <=> %(query)s AS distance
FROM {schema}.passages
WHERE {where}
ORDER BY distance
LIMIT %(count)s
"""

COLUMNS = "path, number, text, title, details, first_line, last_line, page, start"


class PostgresStore:
    """A ``Store`` in a schema of a database. ``create`` makes one, the constructor opens it.

    Args:
        connection: libpq's words for the database, such as ``postgresql://user@host/name``.
        schema: the index's own schema.
        exact_bytes: size of all vectors up to which each is compared.
    """

    def __init__(self, connection: str, *, schema: str = "quiver", exact_bytes: int = EXACT_BYTES) -> None:
        """Open an index; raises StoreError if there is none."""
        self._words, self._schema, self._exact_bytes = connection, schema, exact_bytes
        self._connection = _connect(connection)
        try:
            self._info = self._opened()
        except BaseException:
            self.close()
            raise

    def _opened(self) -> IndexInfo:
        with self._database():
            found = self._rows(
                "SELECT to_regclass({name}) IS NOT NULL AS there", name=f'"{self._schema}".info'
            )
            if not found[0]["there"]:
                raise NoIndex(f"there is no index in the schema {self._schema} of this database")
            register_vector(self._connection)
            content = self._rows("SELECT content FROM {schema}.info")[0]["content"]
        return read_info(content, f"the schema {self._schema}")

    @classmethod
    def create(
        cls, connection: str, info: IndexInfo, *, schema: str = "quiver", exact_bytes: int = EXACT_BYTES
    ) -> "PostgresStore":
        """Make an empty index in a new schema; raises StoreError if it cannot be."""
        dimension = info.fingerprint.dimension
        try:
            with _connect(connection) as database, database.transaction():
                database.execute(
                    SQL(TABLES).format(
                        schema=Identifier(schema),
                        dimension=Literal(dimension),
                        short=Literal(info.shortlist_dimension or 1),
                        info=Literal(write_info(info)),
                    )
                )
        except psycopg.Error as error:
            raise StoreError(f"no index can be made in the schema {schema}: {error}") from error
        return cls(connection, schema=schema, exact_bytes=exact_bytes)

    @staticmethod
    def drop(connection: str, *, schema: str = "quiver") -> None:
        """Remove an index with its schema, if it is there."""
        try:
            with _connect(connection) as database:
                database.execute(SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(Identifier(schema)))
        except psycopg.Error as error:
            raise StoreError(f"the schema {schema} cannot be removed: {error}") from error

    @property
    def info(self) -> IndexInfo:
        """What the index was created with."""
        return self._info

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Be the only writer while the context lasts; raises IndexBusy, naming the other."""
        with self._database(), _connect(self._words) as database:
            lock = "hashtextextended(%s, 0)"
            taken = database.execute(f"SELECT pg_try_advisory_lock({lock})", [self._lock_name]).fetchone()
            if taken != (True,):
                raise IndexBusy(f"{self._lock_name} is being written by {self._holder()}; wait, or stop it")
            try:
                yield
            finally:
                # The end of a connection frees the lock too, but only when the server has noticed it.
                database.execute(f"SELECT pg_advisory_unlock({lock})", [self._lock_name])

    def files(self) -> dict[str, str]:
        """Digests by path."""
        with self._database():
            return {
                row["path"]: row["digest"] for row in self._rows("SELECT path, digest FROM {schema}.files")
            }

    def put(self, files: Sequence[IndexedFile]) -> None:
        """Add files, each in place of what the index held under its path."""
        rows = [row for file in files for row in self._passage_rows(file)]
        with self._database(), self._connection.transaction(), self._connection.cursor() as cursor:
            self._delete([file.path for file in files])
            statement = self._sql("INSERT INTO {schema}.files VALUES (%s, %s)")
            cursor.executemany(statement, [(file.path, file.digest) for file in files])
            copy = f"COPY {{schema}}.passages ({COLUMNS}, headings, keys, terms, vector, short) FROM STDIN"
            with cursor.copy(self._sql(copy)) as sink:
                for row in rows:
                    sink.write_row(row)

    def remove(self, paths: Sequence[str]) -> None:
        """Forget files and their passages; unknown paths are none."""
        with self._database():
            self._delete(paths)

    def optimize(self) -> None:
        """Build the vector index once the table is large, and let the planner know the table's size."""
        column, dimension = self._searched
        with self._database():
            if self.count() * dimension * 4 > self._exact_bytes and dimension <= LONGEST_INDEXED:
                self._connection.execute(
                    self._sql(
                        "CREATE INDEX IF NOT EXISTS passages_nearest ON {schema}.passages "
                        f"USING hnsw ({column} vector_cosine_ops)"
                    )
                )
            self._connection.execute(self._sql("ANALYZE {schema}.passages"))

    def count(self) -> int:
        """Number of passages."""
        with self._database():
            return int(self._rows("SELECT count(*) AS rows FROM {schema}.passages")[0]["rows"])

    def search_vectors(
        self, vector: Floats, count: int, where: Filter | None = None, *, exact: bool = False
    ) -> list[Found]:
        """Passages of highest cosine with a unit vector [dimension], best first."""
        query = np.asarray(vector, np.float32)
        column, dimension = ("vector", len(query)) if exact else self._searched
        wanted = count if column == "vector" else SHORTLIST_FACTOR * count
        statement = NEAREST.replace("{column}", column)
        with self._database(), self._connection.transaction():
            if exact:
                self._connection.execute("SET LOCAL enable_indexscan = off")
            else:
                self._connection.execute("SET LOCAL hnsw.iterative_scan = relaxed_order")
                self._connection.execute(f"SET LOCAL hnsw.ef_search = {min(1000, max(100, wanted))}")
            rows = self._rows(statement, where, query=query[:dimension], count=wanted)
        for row in rows:
            row["score"] = float(np.asarray(row["vector"].to_numpy()) @ query)
        return _found(rows)[:count]

    def search_text(self, query: str, count: int, where: Filter | None = None) -> list[Found]:
        """Passages that share words with the query, by BM25, best first."""
        words = list(dict.fromkeys(terms(query)))
        if not words:
            return []
        with self._database():
            return _found(self._rows(BM25, where, words=words, count=count))

    def read(self, path: str) -> IndexedFile | None:
        """All of a file, passages in their order; None if it is not there."""
        chosen = "SELECT {columns}, vector FROM {schema}.passages WHERE path = %(path)s ORDER BY number"
        with self._database(), self._connection.transaction():
            digests = self._rows("SELECT digest FROM {schema}.files WHERE path = %(path)s", path=path)
            rows = self._rows(chosen, path=path)
        if not digests:
            return None
        vectors = [row["vector"].to_numpy() for row in rows]
        return IndexedFile(
            path=path,
            digest=digests[0]["digest"],
            passages=[passage_of(row) for row in rows],
            vectors=np.asarray(vectors, np.float32).reshape(-1, self.info.fingerprint.dimension),
        )

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    @property
    def _searched(self) -> tuple[str, int]:
        """The column that finds candidates, and its dimension."""
        short = self.info.shortlist_dimension
        return ("vector", self.info.fingerprint.dimension) if short is None else ("short", short)

    @property
    def _lock_name(self) -> str:
        return f"the index in the schema {self._schema}"

    def _holder(self) -> str:
        rows = self._rows(
            "SELECT pid, backend_start::time(0) AS since FROM pg_locks JOIN pg_stat_activity USING (pid) "
            "WHERE locktype = 'advisory' AND granted AND objsubid = 1 "
            "AND (classid::bigint << 32 | objid::bigint) = hashtextextended(%(name)s, 0)",
            name=self._lock_name,
        )
        return f"server process {rows[0]['pid']} since {rows[0]['since']}" if rows else "another process"

    def _passage_rows(self, file: IndexedFile) -> Iterator[tuple[Any, ...]]:
        vectors = np.asarray(file.vectors, np.float32).reshape(-1, self.info.fingerprint.dimension)
        short = normalize(vectors[:, : self.info.shortlist_dimension or 1])
        for number, (passage, row, beginning) in enumerate(zip(file.passages, vectors, short, strict=True)):
            details = {"headings": list(passage.headings), "metadata": dict(passage.metadata)}
            yield (
                passage.path,
                number,
                _storable(passage.text),
                _storable(passage.title),
                json.dumps(details),
                passage.first_line,
                passage.last_line,
                passage.page,
                passage.start,
                _storable(heading_trail(passage)),
                _storable(json.dumps(filter_keys(passage.metadata), ensure_ascii=False)),
                terms(described(passage)),
                row,
                beginning,
            )

    def _delete(self, paths: Sequence[str]) -> None:
        self._connection.execute(self._sql("DELETE FROM {schema}.files WHERE path = ANY(%s)"), [list(paths)])

    def _rows(self, statement: str, where: Filter | None = None, **values: Any) -> list[dict[str, Any]]:  # noqa: ANN401
        with self._connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(self._sql(statement, where, name=values.get("name")), values).fetchall()

    def _sql(self, statement: str, where: Filter | None = None, *, name: str | None = None) -> Composed:
        return SQL(statement).format(
            schema=Identifier(self._schema),
            columns=SQL(COLUMNS),
            where=SQL("true" if where is None else _condition(where)),
            name=Literal(name),
        )

    @contextmanager
    def _database(self) -> Iterator[None]:
        """PostgreSQL's errors as ours."""
        try:
            yield
        except psycopg.errors.DiskFull as error:
            raise StoreError(
                f"{self._lock_name}: the disk of the server is full; free some space and run again: what was "
                "finished is kept"
            ) from error
        except psycopg.Error as error:
            raise StoreError(f"{self._lock_name}: {str(error).splitlines()[0]}") from error


def _connect(words: str) -> "psycopg.Connection[tuple[Any, ...]]":
    try:
        return psycopg.connect(words, autocommit=True)
    except psycopg.Error as error:
        raise StoreError(f"PostgreSQL cannot be reached: {str(error).splitlines()[0]}") from error


def _found(rows: Sequence[dict[str, Any]]) -> list[Found]:
    found = [Found(passage_of(row), row["number"], row["score"]) for row in rows]
    return sorted(found, key=lambda each: (-each.score, each.passage.path, each.number))


def _storable(text: str) -> str:
    """PostgreSQL's texts hold any character but NUL."""
    return text.replace("\x00", "\ufffd").replace("\\u0000", "\ufffd")


def _condition(where: Filter) -> str:
    return render(where, _comparison, _is_null)


def _comparison(comparison: Comparison) -> str:
    column, value = comparison.column, comparison.value
    if not column.in_metadata:
        return f"{column.name} {comparison.operator} {_literal(value)}"
    held = f'(keys->>{_literal(key_of(column, value))}) COLLATE "C"'
    if not isinstance(value, str):
        held = f"(keys->>{_literal(key_of(column, value))})::float8"
    return f"{held} {comparison.operator} {_literal(value)}"


def _is_null(column: Column) -> str:
    if not column.in_metadata:
        return f"{column.name} IS NULL"
    return "(" + " AND ".join(f"keys->>{_literal(key)} IS NULL" for key in keys_of(column)) + ")"


def _literal(value: str | float) -> str:
    """As a literal within a template of ours, where percent signs and braces have a meaning."""
    quoted: str = Literal(float(value) if isinstance(value, bool) else value).as_string(None)
    return quoted.replace("%", "%%")

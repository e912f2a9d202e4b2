"""Milvus: tables in two collections of a server, or of milvus-lite in a file.

Its own BM25 is not used: what it finds depends on how its segments lie, and its tokenizers are not ours.
"""

import logging
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from pymilvus import MilvusClient, MilvusException

from quiver.errors import IndexBusy, NoIndex, StoreError
from quiver.results import Floats
from quiver.search.filters import Filter
from quiver.search.info_file import write_info
from quiver.search.store import IndexInfo
from quiver.search.versioned import milvus_lite
from quiver.search.versioned.lease import one_writer
from quiver.search.versioned.milvus_filters import expression_of, is_understood, literal
from quiver.search.versioned.milvus_rows import (
    entity_of,
    file_schema,
    note_of,
    passage_schema,
    row_of,
    stored,
)
from quiver.search.versioned.tables import SHOWN, Collection, Row, Table

TOKEN_VARIABLE = "MILVUS_TOKEN"
MOST_FOUND = 16_384
"""Rows of one search."""
SHORTLIST_FACTOR = 10
"""Candidates that short vectors find for each result of the whole ones."""
EXACT_BYTES = 128 * 2**20
"""Vectors that are compared one by one; beyond it an index of clusters is built."""
CLUSTERS = 1_024
"""Of each segment of vectors."""
PROBED = 128
"""Clusters that a query looks into; with a filter all, since what meets it may lie anywhere."""
ROWS_AT_ONCE = 1_000
STRONG = "Strong"
"""Reads see all writes that came before them."""

INFO_NOTE = "info"


class MilvusTables:
    """``Tables`` in the collections NAME and NAME_files."""

    def __init__(self, place: Collection, *, exact_bytes: int = EXACT_BYTES) -> None:
        """Open an index; raises StoreError if there is none."""
        self._place, self._exact_bytes = place, exact_bytes
        self._client = _connect(place)
        self._closed = False
        try:
            with self._database():
                if not self._client.has_collection(place.name):
                    raise NoIndex(f"there is no index in {place}; make one with: quiver index PATH")
                about = self._client.describe_collection(place.name)
                sizes = {each["name"]: each["params"].get("dim") for each in about["fields"]}
                self._searched = "short" if "short" in sizes else "vector"
                self._searched_dimension = int(sizes[self._searched])
                for name in (place.name, f"{place.name}_files"):
                    self._client.load_collection(name)
                # milvus-lite forgets descriptions, so a note says the same.
                self._info = str(about["description"]) or self.read_note(INFO_NOTE) or ""
        except BaseException:
            self.close()
            raise

    @classmethod
    def create(cls, place: Collection, info: IndexInfo, *, exact_bytes: int = EXACT_BYTES) -> "MilvusTables":
        """Make an empty index; raises StoreError if it cannot be or there is one."""
        client = _connect(place)
        try:
            with _explained(place):
                if client.has_collection(place.name):
                    raise StoreError(f"there is an index in {place} already")
                files = f"{place.name}_files"
                client.drop_collection(files)
                _create(client, files, file_schema(), {"unused": "FLAT"})
                client.upsert(files, [note_of(INFO_NOTE, write_info(info))])
                vectors = {"vector": "FLAT", "weights": "SPARSE_INVERTED_INDEX"}
                if info.shortlist_dimension is not None:
                    vectors["short"] = "FLAT"
                _create(client, place.name, passage_schema(info), vectors)
        finally:
            _disconnect(client, place)
        return cls(place, exact_bytes=exact_bytes)

    @staticmethod
    def drop(place: Collection) -> None:
        """Remove an index, if it is there."""
        client = _connect(place)
        try:
            with _explained(place):
                for name in (place.name, f"{place.name}_files"):
                    client.drop_collection(name)
        finally:
            _disconnect(client, place)

    @property
    def name(self) -> str:
        """What messages call the index."""
        return str(self._place)

    @property
    def info(self) -> str:
        """What the index was created with."""
        return self._info

    def writing(self) -> AbstractContextManager[Callable[[], None]]:
        """Be the only writer, by a lock beside the file or a lease in the server."""
        where = self._place.where
        if not isinstance(where, Path):
            return one_writer(self, None)
        return one_writer(self, where.with_name(f"{where.name}.{self._place.name}.writer"))

    def understands(self, where: Filter) -> bool:
        """All but patterns with backslashes, and values longer than what is kept for filters."""
        return is_understood(where)

    def insert(self, table: Table, rows: Sequence[Row]) -> None:
        """Add rows."""
        self._upsert(self._collection(table), [entity_of(table, row) for row in rows])

    def end(self, table: Table, where: Filter, number: int) -> None:
        """Set when the rows end: Milvus writes whole rows, so they are read and written again."""
        rows: list[dict[str, Any]] = []
        for row in self._entities(table, where, ["*"]):
            rows.append({**row, "died": number})
            if len(rows) == ROWS_AT_ONCE:
                self._upsert(self._collection(table), rows)
                rows = []
        self._upsert(self._collection(table), rows)

    def delete(self, table: Table, where: Filter) -> None:
        """Drop rows."""
        with self._database():
            self._client.delete(self._collection(table), filter=expression_of(where))

    def select(self, table: Table, where: Filter, columns: Sequence[str]) -> Iterator[Row]:
        """All rows that meet a filter."""
        return map(row_of, self._entities(table, where, stored(columns)))

    def count(self, term: int, where: Filter) -> int:
        """Number of passages that hold a term."""
        expression = f"ARRAY_CONTAINS(terms, {term}) and {expression_of(where)}"
        with self._database():
            found = self._client.query(
                self._place.name, expression, output_fields=["count(*)"], consistency_level=STRONG
            )
        return int(found[0]["count(*)"])

    def nearest(
        self, vector: Floats, count: int, where: Filter, *, exact: bool, narrowed: bool
    ) -> list[tuple[Row, float]]:
        """Passages of highest cosine; short vectors find candidates, whole ones order them."""
        column = "vector" if exact else self._searched
        wanted = count if column == "vector" else SHORTLIST_FACTOR * count
        query = vector if column == "vector" else vector[: self._searched_dimension]
        found = self._search(column, query.tolist(), wanted, where, [*SHOWN, "vector"], exact or narrowed)
        scored = [(row, float(row["vector"] @ vector)) for row in found]
        return sorted(scored, key=lambda pair: -pair[1])[:count]

    def with_terms(self, weights: Mapping[int, float], count: int, where: Filter) -> list[Row]:
        """Passages of the highest product of term weights."""
        return self._search("weights", dict(weights), count, where, [*SHOWN, "words"])

    def read_note(self, name: str) -> str | None:
        """A note's content."""
        with self._database():
            found = self._client.query(
                f"{self._place.name}_files",
                f"id == {literal(name)}",
                output_fields=["content"],
                consistency_level=STRONG,
            )
        return "".join(found[0]["content"]) if found else None

    def write_note(self, name: str, content: str) -> None:
        """Write a note, which is one row and so one step."""
        self._upsert(self._collection("files"), [note_of(name, content)])

    def arrange(self) -> None:
        """Put an index of clusters in the place of plain comparison, once vectors are many."""
        with self._database():
            about = self._client.describe_index(self._place.name, self._searched)
            rows = int(self._client.get_collection_stats(self._place.name)["row_count"])
            if about["index_type"] != "FLAT" or rows * self._searched_dimension * 4 <= self._exact_bytes:
                return
            self._client.flush(self._place.name)
            self._client.release_collection(self._place.name)
            self._client.drop_index(self._place.name, self._searched)
            waits = isinstance(self._place.where, str)
            _index(
                self._client,
                self._place.name,
                {self._searched: "IVF_FLAT"},
                waits=waits,
                nlist=CLUSTERS,
            )
            self._client.load_collection(self._place.name)

    def close(self) -> None:
        """Let go of the client."""
        if not self._closed:
            _disconnect(self._client, self._place)
        self._closed = True

    def _search(
        self,
        column: str,
        query: Any,  # noqa: ANN401  (a list of numbers, or a sparse vector as a dictionary)
        count: int,
        where: Filter,
        columns: Sequence[str],
        everywhere: bool = False,
    ) -> list[Row]:
        params = {} if column == "weights" else {"nprobe": CLUSTERS if everywhere else PROBED}
        with self._database():
            found = self._client.search(
                self._place.name,
                [query],
                filter=expression_of(where),
                limit=min(count, MOST_FOUND),
                output_fields=stored(columns),
                search_params={"metric_type": "IP", "params": params},
                anns_field=column,
                consistency_level=STRONG,
            )
        return [row_of(dict(hit["entity"])) for hit in found[0]]

    def _entities(self, table: Table, where: Filter, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
        with self._database():
            iterator = self._client.query_iterator(
                self._collection(table),
                batch_size=ROWS_AT_ONCE,
                filter=expression_of(where),
                output_fields=list(columns),
                consistency_level=STRONG,
            )
        try:
            while True:
                with self._database():
                    rows = iterator.next()
                if not rows:
                    return
                yield from map(dict, rows)
        finally:
            iterator.close()

    def _upsert(self, collection: str, rows: Sequence[dict[str, Any]]) -> None:
        if rows:
            with self._database():
                self._client.upsert(collection, list(rows))

    def _collection(self, table: Table) -> str:
        return self._place.name if table == "passages" else f"{self._place.name}_files"

    def _database(self) -> AbstractContextManager[None]:
        return _explained(self._place)


def _connect(place: Collection) -> MilvusClient:
    with _explained(place), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # its own imports
        for name in ("pymilvus", "milvus_lite"):
            logging.getLogger(name).setLevel(logging.CRITICAL)  # they raise what they log, requests and all
        if not isinstance(place.where, Path):
            return MilvusClient(place.where, token=os.environ.get(TOKEN_VARIABLE, ""))
        milvus_lite.enter(place.where)
        try:
            return MilvusClient(str(place.where.resolve()))
        except BaseException:
            milvus_lite.leave(place.where)
            raise


def _disconnect(client: MilvusClient, place: Collection) -> None:
    client.close()
    if isinstance(place.where, Path):
        milvus_lite.leave(place.where)


@contextmanager
def _explained(place: Collection) -> Iterator[None]:
    """Milvus' errors as ours."""
    try:
        yield
    except BlockingIOError as error:
        raise IndexBusy(
            f"{place} is open in another process, and a file of milvus-lite takes one at a time; wait, "
            "stop it, or use a server"
        ) from error
    except (MilvusException, OSError, ValueError, RuntimeError) as error:
        reason = (str(getattr(error, "message", "") or error).strip().splitlines() or ["no reason given"])[0]
        if "no space left" in reason.lower():
            reason = "the disk is full; free some space and run again: what was finished is kept"
        raise StoreError(f"{place}: {reason}") from error


def _create(client: MilvusClient, name: str, schema: Any, vectors: Mapping[str, str]) -> None:  # noqa: ANN401
    client.create_collection(name, schema=schema, consistency_level=STRONG)
    _index(client, name, vectors)
    client.load_collection(name)


def _index(
    client: MilvusClient, name: str, vectors: Mapping[str, str], *, waits: bool = False, **params: int
) -> None:
    """Index vectors by their product: they are of unit length."""
    indexes = client.prepare_index_params()
    for column, kind in vectors.items():
        indexes.add_index(column, index_type=kind, metric_type="IP", params=params)
    client.create_index(name, indexes, sync=waits)

"""Qdrant: tables in two collections of a server, or of the client's own store in a folder."""

import atexit
import fcntl
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from qdrant_client import QdrantClient, models
from qdrant_client.http.exceptions import ApiException

from quiver.errors import IndexBusy, NoIndex, StoreError
from quiver.results import Floats
from quiver.search.filters import Filter
from quiver.search.info_file import write_info
from quiver.search.store import IndexInfo
from quiver.search.versioned.lease import one_writer
from quiver.search.versioned.qdrant_filters import condition_of, filter_of, folders_of, is_understood
from quiver.search.versioned.tables import SHOWN, Collection, Row, Table

KEY_VARIABLE = "QDRANT_API_KEY"
SHORTLIST_FACTOR = 10
"""Candidates that short vectors find for each result of the whole ones."""
ROWS_AT_ONCE = 1000
"""In one answer."""
SECONDS = 60
"""Until a request counts as lost."""
INDEXED = {
    "path": models.PayloadSchemaType.KEYWORD,
    "folders": models.PayloadSchemaType.KEYWORD,
    "terms": models.PayloadSchemaType.INTEGER,
    "born": models.PayloadSchemaType.INTEGER,
    "died": models.PayloadSchemaType.INTEGER,
}
VECTORS = ("vector", "short", "weights")


class QdrantTables:
    """``Tables`` in the collections NAME and NAME_files."""

    def __init__(self, place: Collection) -> None:
        """Open an index; raises StoreError if there is none."""
        self._place = place
        self._client = _Client.of(place)
        self._closed = False
        try:
            with self._database() as client:
                if not client.collection_exists(place.name):
                    raise NoIndex(f"there is no index in {place}; make one with: quiver index PATH")
                about = client.get_collection(place.name).config
            self._info = str((about.metadata or {}).get("quiver"))
            self._has_short = "short" in (about.params.vectors or {})
        except BaseException:
            self.close()
            raise

    @classmethod
    def create(cls, place: Collection, info: IndexInfo) -> "QdrantTables":
        """Make an empty index; raises StoreError if it cannot be or there is one."""
        holder = _Client.of(place)
        try:
            with holder.use(place) as client:
                if client.collection_exists(place.name):
                    raise StoreError(f"there is an index in {place} already")
                files = f"{place.name}_files"
                client.delete_collection(files)
                client.create_collection(files, vectors_config={})
                client.create_collection(
                    place.name,
                    vectors_config=_vectors(info),
                    sparse_vectors_config={"weights": models.SparseVectorParams()},
                    metadata={"quiver": write_info(info)},
                )
                if not holder.is_local:
                    for column, kind in INDEXED.items():
                        client.create_payload_index(place.name, column, kind)
                    for column in ("path", "born", "died"):
                        client.create_payload_index(files, column, INDEXED[column])
            return cls(place)
        finally:
            holder.release()

    @staticmethod
    def drop(place: Collection) -> None:
        """Remove an index, if it is there."""
        holder = _Client.of(place)
        try:
            with holder.use(place) as client:
                for name in (place.name, f"{place.name}_files"):
                    client.delete_collection(name)
        finally:
            holder.release()

    @property
    def name(self) -> str:
        """What messages call the index."""
        return str(self._place)

    @property
    def info(self) -> str:
        """What the index was created with."""
        return self._info

    def writing(self) -> AbstractContextManager[Callable[[], None]]:
        """Be the only writer, by a lock on the folder or a lease in the server."""
        where = self._place.where
        return one_writer(self, where / f"{self._place.name}.writer" if isinstance(where, Path) else None)

    def understands(self, where: Filter) -> bool:
        """Whether every part has a condition that is neither less nor more."""
        return is_understood(where)

    def insert(self, table: Table, rows: Sequence[Row]) -> None:
        """Add rows."""
        points = [_point(row) for row in rows]
        with self._database() as client:
            client.upsert(self._collection(table), points, wait=True)

    def end(self, table: Table, where: Filter, number: int) -> None:
        """Set when the rows end."""
        with self._database() as client:
            client.set_payload(self._collection(table), {"died": number}, points=filter_of(where), wait=True)

    def delete(self, table: Table, where: Filter) -> None:
        """Drop rows."""
        selector = models.FilterSelector(filter=filter_of(where))
        with self._database() as client:
            client.delete(self._collection(table), selector, wait=True)

    def select(self, table: Table, where: Filter, columns: Sequence[str]) -> Iterator[Row]:
        """All rows that meet a filter."""
        offset: Any = None
        while True:
            with self._database() as client:
                records, offset = client.scroll(
                    self._collection(table),
                    scroll_filter=filter_of(where),
                    limit=ROWS_AT_ONCE,
                    offset=offset,
                    with_payload=[name for name in columns if name not in VECTORS],
                    with_vectors=["vector"] if "vector" in columns else False,
                )
            yield from map(_row, records)
            if offset is None:
                return

    def count(self, term: int, where: Filter) -> int:
        """Number of passages that hold a term."""
        held = models.FieldCondition(key="terms", match=models.MatchValue(value=term))
        both = models.Filter(must=[held, condition_of(where)])
        with self._database() as client:
            return int(client.count(self._place.name, both, exact=True).count)

    def nearest(
        self, vector: Floats, count: int, where: Filter, *, exact: bool, narrowed: bool
    ) -> list[tuple[Row, float]]:
        """Passages of highest cosine; short vectors find candidates, whole ones order them."""
        asked: dict[str, Any] = {"query": vector.tolist(), "using": "vector", "limit": count}
        if exact and not self._client.is_local:
            asked["search_params"] = models.SearchParams(exact=True)
        if self._has_short and not exact:
            asked["prefetch"] = models.Prefetch(
                query=vector[: self._short_dimension].tolist(),
                using="short",
                limit=SHORTLIST_FACTOR * count,
                filter=filter_of(where),
            )
        with self._database() as client:
            points = client.query_points(
                self._place.name, query_filter=filter_of(where), with_payload=list(SHOWN), **asked
            ).points
        return [(_row(point), float(point.score)) for point in points]

    def with_terms(self, weights: Mapping[int, float], count: int, where: Filter) -> list[Row]:
        """Passages of the highest product of term weights."""
        with self._database() as client:
            points = client.query_points(
                self._place.name,
                query=_sparse(weights),
                using="weights",
                limit=count,
                query_filter=filter_of(where),
                with_payload=[*SHOWN, "words"],
            ).points
        return [_row(point) for point in points]

    def read_note(self, name: str) -> str | None:
        """A note's content."""
        with self._database() as client:
            found = client.retrieve(self._collection("files"), [_note_id(name)])
        return str((found[0].payload or {})["content"]) if found else None

    def write_note(self, name: str, content: str) -> None:
        """Write a note, which is one point and so one step."""
        point = models.PointStruct(id=_note_id(name), payload={"content": content}, vector={})
        with self._database() as client:
            client.upsert(self._collection("files"), [point], wait=True)

    def arrange(self) -> None:
        """Nothing: Qdrant builds its indexes by itself."""

    def close(self) -> None:
        """Let go of the client."""
        if not self._closed:
            self._client.release()
        self._closed = True

    @property
    def _short_dimension(self) -> int:
        with self._database() as client:
            vectors: Any = client.get_collection(self._place.name).config.params.vectors
        return int(vectors["short"].size)

    def _collection(self, table: Table) -> str:
        return self._place.name if table == "passages" else f"{self._place.name}_files"

    def _database(self) -> AbstractContextManager[QdrantClient]:
        return self._client.use(self._place)


class _Client:
    """A client that everyone in this process shares who opens the same folder, which takes only one."""

    shared: ClassVar[dict[str | Path, "_Client"]] = {}
    guard: ClassVar[threading.RLock] = threading.RLock()

    def __init__(self, where: str | Path) -> None:
        self.where = where
        self.users = 0
        self.is_local = isinstance(where, Path)
        self._turn = threading.RLock()
        if isinstance(where, Path):
            where.mkdir(parents=True, exist_ok=True)
            _check_free(where)
            self._client = QdrantClient(path=str(where), force_disable_check_same_thread=True)
            atexit.register(self._client.close)  # at the end its own destructor no longer can
        else:
            key = os.environ.get(KEY_VARIABLE)
            self._client = QdrantClient(url=where, api_key=key, timeout=SECONDS)

    @classmethod
    def of(cls, place: Collection) -> "_Client":
        """The client of a place, made if need be."""
        where = place.where.resolve() if isinstance(place.where, Path) else place.where
        with cls.guard:
            try:
                client = cls.shared.get(where) or cls(where)
            except BlockingIOError as error:
                raise IndexBusy(
                    f"{place} is open in another process, and a folder of Qdrant takes one at a time; wait, "
                    "stop it, or use a server"
                ) from error
            except (OSError, ApiException) as error:
                raise StoreError(f"{place} cannot be opened: {error}") from error
            cls.shared[where] = client
            client.users += 1
            return client

    @contextmanager
    def use(self, place: Collection) -> Iterator[QdrantClient]:
        """The client; a local one for one thread at a time. Qdrant's errors as ours."""
        turn: AbstractContextManager[Any] = self._turn if self.is_local else threading.Lock()
        try:
            with turn:
                yield self._client
        except (ApiException, OSError, ValueError, RuntimeError) as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            if "no space left" in reason.lower() or "disk is full" in reason.lower():
                reason = "the disk is full; free some space and run again: what was finished is kept"
            raise StoreError(f"{place}: {reason}") from error

    def release(self) -> None:
        """One user less; the last one closes it."""
        with self.guard:
            self.users -= 1
            if not self.users:
                self.shared.pop(self.where, None)
                self._client.close()
                atexit.unregister(self._client.close)


def _check_free(folder: Path) -> None:
    """Raise BlockingIOError if another process has the folder open, which the client tells less clearly."""
    with (folder / ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _vectors(info: IndexInfo) -> dict[str, models.VectorParams]:
    """Unit vectors by their product, since Qdrant's cosine would normalise, and so change, them again."""
    sizes = {"vector": info.fingerprint.dimension, "short": info.shortlist_dimension}
    return {
        name: models.VectorParams(size=size, distance=models.Distance.DOT)
        for name, size in sizes.items()
        if size is not None
    }


def _point(row: Row) -> models.PointStruct:
    vectors: dict[str, Any] = {name: row[name].tolist() for name in ("vector", "short") if name in row}
    payload = {name: value for name, value in row.items() if name not in ("id", *VECTORS)}
    if "weights" in row:
        vectors["weights"] = _sparse(row["weights"])
        payload["terms"] = list(row["weights"])
        payload["folders"] = folders_of(row["path"])
    return models.PointStruct(id=row["id"], payload=payload, vector=vectors)


def _row(point: Any) -> Row:  # noqa: ANN401  (records and scored points)
    row: Row = dict.fromkeys(SHOWN) | dict(point.payload or {})
    if isinstance(point.vector, dict) and "vector" in point.vector:
        row["vector"] = np.asarray(point.vector["vector"], np.float32)
    return row


def _sparse(weights: Mapping[int, float]) -> models.SparseVector:
    return models.SparseVector(indices=list(weights), values=list(weights.values()))


def _note_id(name: str) -> int:
    """Points have numbers or UUIDs; rows have UUIDs."""
    return int.from_bytes(name.encode()[:8])

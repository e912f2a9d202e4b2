"""Places: where a store is, by its address.

.quiver/1                            LanceDB in a folder; any path without a scheme
postgresql://USER@HOST/DB?schema=S   PostgreSQL with pgvector
qdrant+http://HOST:6333/NAME         Qdrant; https as well, the key in QDRANT_API_KEY
qdrant:FOLDER                        Qdrant's local mode, for trying it
milvus+http://HOST:19530/NAME        Milvus; https as well, the token in MILVUS_TOKEN
milvus:FILE.db                       milvus-lite, for trying it
"""

import re
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol
from urllib.parse import parse_qs, urlencode, urlsplit

from quiver.errors import InputError
from quiver.search.store import IndexInfo, Store
from quiver.search.versioned.tables import Collection

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
DEFAULT_NAME = "quiver"
LOCAL = ("qdrant:", "milvus:")
KNOWN = (
    "a folder, postgresql://USER@HOST/DB?schema=NAME, qdrant+http://HOST:6333/NAME, qdrant:FOLDER, "
    "milvus+http://HOST:19530/NAME or milvus:FILE.db"
)


class Place(Protocol):
    """A store that is there, or could be."""

    def open(self) -> Store:
        """The store; raises NoIndex if there is none, StoreError if it cannot be reached."""

    def create(self, info: IndexInfo) -> Store:
        """An empty store; raises StoreError if it cannot be made."""

    def drop(self) -> None:
        """Remove the store, if it is there."""


def place_of(address: str, generation: int = 1) -> Place:
    """Read an address; a generation after the first has a name of its own there.

    Raises InputError for what is no address, or has a password in it, or needs a package that is not there.
    """
    if address.startswith(("postgresql://", "postgres://")):
        return _postgres(address, generation)
    if address.startswith(LOCAL) or "://" in address:
        where, name = _file(address) if address.startswith(LOCAL) else _server(address)
        named = name if generation == 1 else f"{name}_{generation}"
        return QdrantPlace(where, named) if address.startswith("qdrant") else MilvusPlace(where, named)
    return LancePlace(Path(address) if generation == 1 else Path(f"{address}_{generation}"))


def is_path(address: str) -> bool:
    """Whether the address is one of a folder."""
    return isinstance(place_of(address), LancePlace)


def absolute(address: str) -> str:
    """The same place, from any folder."""
    if "://" in address:
        return address
    scheme, colon, path = address.rpartition(":") if address.startswith(LOCAL) else ("", "", address)
    return f"{scheme}{colon}{Path(path).expanduser().resolve()}"


class LancePlace:
    """A folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def open(self) -> Store:
        """The store."""
        from quiver.search.lance_store import LanceStore

        return LanceStore(self.folder)

    def create(self, info: IndexInfo) -> Store:
        """An empty store, over what a killed process may have left."""
        from quiver.search.lance_store import LanceStore

        return LanceStore.create(self.folder, info)

    def drop(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)


class PostgresPlace:
    """A schema of a database."""

    def __init__(self, connection: str, schema: str) -> None:
        self.connection, self.schema = connection, schema

    def open(self) -> Store:
        """The store."""
        from quiver.search.postgres_store import PostgresStore

        return PostgresStore(self.connection, schema=self.schema)

    def create(self, info: IndexInfo) -> Store:
        """An empty store."""
        from quiver.search.postgres_store import PostgresStore

        return PostgresStore.create(self.connection, info, schema=self.schema)

    def drop(self) -> None:
        """Remove the schema."""
        from quiver.search.postgres_store import PostgresStore

        PostgresStore.drop(self.connection, schema=self.schema)


class QdrantPlace:
    """A collection of Qdrant."""

    def __init__(self, where: str | Path, name: str) -> None:
        _check_installed("qdrant_client", "qdrant")
        self.collection = Collection("Qdrant", where, name)

    def open(self) -> Store:
        """The store."""
        from quiver.search.versioned.qdrant import QdrantTables
        from quiver.search.versioned.store import VersionedStore

        return VersionedStore(QdrantTables(self.collection))

    def create(self, info: IndexInfo) -> Store:
        """An empty store."""
        from quiver.search.versioned.qdrant import QdrantTables
        from quiver.search.versioned.store import VersionedStore

        return VersionedStore(QdrantTables.create(self.collection, info))

    def drop(self) -> None:
        """Remove the collections."""
        from quiver.search.versioned.qdrant import QdrantTables

        QdrantTables.drop(self.collection)


class MilvusPlace:
    """A collection of Milvus."""

    def __init__(self, where: str | Path, name: str) -> None:
        _check_installed("pymilvus", "milvus")
        self.collection = Collection("Milvus", where, name)

    def open(self) -> Store:
        """The store."""
        from quiver.search.versioned.milvus import MilvusTables
        from quiver.search.versioned.store import VersionedStore

        return VersionedStore(MilvusTables(self.collection))

    def create(self, info: IndexInfo) -> Store:
        """An empty store."""
        from quiver.search.versioned.milvus import MilvusTables
        from quiver.search.versioned.store import VersionedStore

        return VersionedStore(MilvusTables.create(self.collection, info))

    def drop(self) -> None:
        """Remove the collections."""
        from quiver.search.versioned.milvus import MilvusTables

        MilvusTables.drop(self.collection)


def _check_installed(module: str, extra: str) -> None:
    if find_spec(module) is None:
        raise InputError(f"this place needs {module}: pip install 'quiver-embed[search,{extra}]'")


def _server(address: str) -> tuple[str, str]:
    parts = urlsplit(address)
    database, _, protocol = parts.scheme.partition("+")
    name = parts.path.strip("/")
    if database not in ("qdrant", "milvus") or protocol not in ("http", "https") or not parts.hostname:
        raise InputError(f"{address} is no place for an index; it may be {KNOWN}")
    if parts.username is not None or parts.password is not None:
        raise InputError(
            "an address holds no secrets, since the index remembers it; put the key into "
            "QDRANT_API_KEY or the token into MILVUS_TOKEN"
        )
    if not NAME.fullmatch(name):
        raise InputError(
            f"{address} must end in /NAME, the name of a collection: letters, digits and _, a letter first"
        )
    return f"{protocol}://{parts.netloc}", name


def _file(address: str) -> tuple[Path, str]:
    path = address.partition(":")[2]
    if not path:
        raise InputError(f"{address} names no file; it may be {KNOWN}")
    if address.startswith("milvus:") and not path.endswith(".db"):
        raise InputError(f"{address}: a file of milvus-lite is named NAME.db")
    return Path(path), DEFAULT_NAME


def _postgres(address: str, generation: int) -> PostgresPlace:
    _check_installed("psycopg", "postgres")
    parts = urlsplit(address)
    if parts.password is not None or "password" in parse_qs(parts.query):
        raise InputError(
            "an address holds no secrets, since the index remembers it; put the password into PGPASSWORD or "
            "~/.pgpass"
        )
    words = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    schema = words.pop("schema", DEFAULT_NAME)
    connection = parts._replace(query=urlencode(words)).geturl()
    return PostgresPlace(connection, schema if generation == 1 else f"{schema}_{generation}")

"""Addresses of stores, and a Searcher that opens one."""

from pathlib import Path

import pytest

from quiver import Embedder, Searcher
from quiver.errors import InputError, NoIndex
from quiver.search.file_corpus import FileCorpus
from quiver.search.home import IndexHome
from quiver.search.index import update_index
from quiver.search.places import LancePlace, MilvusPlace, PostgresPlace, QdrantPlace, absolute, place_of
from quiver.search.store import IndexInfo
from tests.search.examples import info


def test_addresses_of_servers() -> None:
    qdrant = place_of("qdrant+https://db.example:6333/notes")
    assert isinstance(qdrant, QdrantPlace)
    assert (qdrant.collection.where, qdrant.collection.name) == ("https://db.example:6333", "notes")
    milvus = place_of("milvus+http://localhost:19530/notes", generation=2)
    assert isinstance(milvus, MilvusPlace)
    assert (milvus.collection.where, milvus.collection.name) == ("http://localhost:19530", "notes_2")
    postgres = place_of("postgresql://me@db/files?schema=notes&sslmode=require")
    assert isinstance(postgres, PostgresPlace)
    assert (postgres.connection, postgres.schema) == ("postgresql://me@db/files?sslmode=require", "notes")


def test_addresses_of_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert isinstance(place_of("a:b"), LancePlace)
    assert absolute("milvus:a/b.db") == f"milvus:{tmp_path}/a/b.db"
    assert absolute("a") == str(tmp_path / "a")
    assert absolute("qdrant+http://h/a") == "qdrant+http://h/a"


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("mongodb://host/name", "is no place for an index"),
        ("qdrant+ftp://host/name", "is no place for an index"),
        ("qdrant+http://host", "must end in /NAME"),
        ("milvus+http://host/a-b", "must end in /NAME"),
        ("qdrant+http://me:secret@host/name", "an address holds no secrets"),
        ("postgresql://me:secret@host/db", "an address holds no secrets"),
        ("postgresql://host/db?password=secret", "an address holds no secrets"),
        ("qdrant:", "names no file"),
        ("milvus:index", "is named NAME.db"),
    ],
)
def test_what_is_no_address(address: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as raised:
        place_of(address)
    assert "secret@" not in str(raised.value)


@pytest.mark.parametrize("address", ["qdrant:index", "milvus:index.db", "folder"])
def test_a_place_is_empty_then_full_then_empty(
    memory: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.chdir(memory)
    place = place_of(address)
    with pytest.raises(NoIndex):
        place.open()
    place.create(info()).close()
    opened = place.open()
    assert opened.info == info()
    opened.close()
    place.drop()
    with pytest.raises(NoIndex):
        place.open()


@pytest.mark.parametrize("address", ["qdrant:index", "milvus:index.db"])
def test_a_searcher_opens_an_address(memory: Path, monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.chdir(memory)
    Path("files").mkdir()
    Path("files/sea.md").write_text("# Sea\n\nShips sail across the sea.\n")
    Path("files/bread.md").write_text("# Bread\n\nFlour, water and salt.\n")
    embedder = Embedder()
    about = IndexInfo(model=None, fingerprint=embedder.fingerprint, max_tokens=100)
    store = place_of(address).create(about)
    update_index(store, FileCorpus(IndexHome(folder=memory / ".quiver"), ("files",)), embedder)
    searcher = Searcher(address, embedder=embedder)
    hits = searcher.search("ships", where="path LIKE 'files/%' AND NOT path LIKE '%bread%'")
    assert [hit.passage.path for hit in hits] == ["files/sea.md"]
    searcher.store.close()
    store.close()

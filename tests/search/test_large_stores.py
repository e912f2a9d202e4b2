"""Stores beyond the size where every vector is compared: an index is built, kept up, and may miss little."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from quiver.embedder import normalize
from quiver.errors import StoreError
from quiver.results import Floats
from quiver.search.filter_syntax import parse_filter
from quiver.search.lance_store import LanceStore
from quiver.search.postgres_store import PostgresStore
from quiver.search.store import IndexedFile, Store
from quiver.search.versioned.milvus import MilvusTables
from quiver.search.versioned.qdrant import QdrantTables
from quiver.search.versioned.store import VersionedStore
from quiver.search.versioned.tables import Collection
from tests.search.examples import fingerprint, info, passage

DIMENSION = 32
ABOUT = info(fingerprint=fingerprint(DIMENSION))
RANDOM = np.random.default_rng(0)


def unit(count: int) -> Floats:
    rows: Floats = normalize(RANDOM.standard_normal((count, DIMENSION)).astype(np.float32))
    return rows


def many(path: str, count: int) -> IndexedFile:
    passages = [passage(f"text {number}", path, page=number % 50) for number in range(count)]
    return IndexedFile(path=path, digest=path, passages=passages, vectors=unit(count))


@pytest.fixture(params=["lance", "postgres", "qdrant", "milvus"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """A store of 1,000 passages that takes anything for large."""
    if request.param == "lance":
        made: Store = LanceStore.create(tmp_path / "index", ABOUT, exact_bytes=1)
    elif request.param == "qdrant":
        collection = Collection("Qdrant", request.getfixturevalue("memory"), "large")
        made = VersionedStore(QdrantTables.create(collection, ABOUT))
    elif request.param == "milvus":
        collection = Collection("Milvus", tmp_path / "milvus.db", "large")
        made = VersionedStore(MilvusTables.create(collection, ABOUT, exact_bytes=1))
    else:
        connection = request.getfixturevalue("postgres")
        made = PostgresStore.create(connection, ABOUT, schema=f"large {tmp_path}", exact_bytes=1)
    made.put([many("a", 1000)])
    made.optimize()
    yield made
    made.close()


def recall(store: Store, where: str | None = None) -> float:
    parsed = None if where is None else parse_filter(where)

    def numbers(exact: bool) -> list[set[tuple[str, int]]]:
        found = (store.search_vectors(query, 10, parsed, exact=exact) for query in queries)
        return [{(each.passage.path, each.number) for each in hits} for hits in found]

    queries = unit(20)
    pairs = zip(numbers(True), numbers(False), strict=True)
    return float(np.mean([len(truth & found) / len(truth) for truth, found in pairs]))


def test_the_index_misses_little(store: Store) -> None:
    assert recall(store) >= 0.95


def test_a_filter_is_met_within_the_index(store: Store) -> None:
    assert recall(store, "page = 7") >= 0.9


def test_what_comes_later_is_found_too(store: Store) -> None:
    later = many("b", 300)
    store.put([later])
    for _ in range(2):
        hits = store.search_vectors(later.vectors[5], 1)
        assert (hits[0].passage.path, hits[0].number) == ("b", 5)
        store.optimize()
    assert recall(store) >= 0.95


def test_what_is_removed_is_not_found(store: Store) -> None:
    store.remove(["a"])
    assert store.search_vectors(unit(1)[0], 10) == []


@pytest.mark.parametrize("open_it", [PostgresStore, lambda words: PostgresStore.create(words, ABOUT)])
def test_a_server_that_is_not_there(open_it: Callable[[str], PostgresStore]) -> None:
    with pytest.raises(StoreError, match="PostgreSQL cannot be reached"):
        open_it("host=/nowhere user=nobody")


def test_a_schema_without_an_index(postgres: str) -> None:
    with pytest.raises(StoreError, match='no index in the schema a "b of this database'):
        PostgresStore(postgres, schema='a "b')


def test_an_index_is_never_made_over_another(tmp_path: Path) -> None:
    LanceStore.create(tmp_path, ABOUT)
    with pytest.raises(StoreError, match=r"there is an index in .* already"):
        LanceStore.create(tmp_path, ABOUT)


def test_an_index_of_another_format(tmp_path: Path) -> None:
    LanceStore.create(tmp_path, ABOUT)
    path = tmp_path / "index.json"
    path.write_text(path.read_text().replace('"format": 1', '"format": 2'))
    with pytest.raises(StoreError, match="has format 2 and this version of Quiver reads 1"):
        LanceStore(tmp_path)


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"format": 1}', "\x00", '{"format": 1, "fingerprint": 3}']
)
def test_a_damaged_index(tmp_path: Path, content: str) -> None:
    LanceStore.create(tmp_path, ABOUT)
    (tmp_path / "index.json").write_text(content)
    with pytest.raises(StoreError, match="is damaged"):
        LanceStore(tmp_path)

"""Every store, empty, in a place of its own."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from quiver.search.lance_store import LanceStore
from quiver.search.store import IndexInfo, Store

OpenStore = Callable[[IndexInfo], Store]
"""Creates a store, or opens it again if it is there."""


def open_lance(folder: Path, about: IndexInfo) -> LanceStore:
    return LanceStore(folder) if (folder / "index.json").exists() else LanceStore.create(folder, about)


@pytest.fixture(params=["lance"])
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OpenStore]:
    opened: list[Store] = []

    def open_it(about: IndexInfo) -> Store:
        opened.append(open_lance(tmp_path / "index", about))
        return opened[-1]

    yield open_it
    for store in opened:
        store.close()

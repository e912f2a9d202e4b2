import numpy as np

from quiver.server.batching.row_cache import OVERHEAD, RowCache

ROW = np.ones(25, np.float32)
SIZE = ROW.nbytes + OVERHEAD


def test_the_rows_used_last_are_kept() -> None:
    cache = RowCache(max_bytes=2 * SIZE)
    cache.put(b"a", ROW)
    cache.put(b"b", 2 * ROW)
    assert cache.get(b"a") is not None
    cache.put(b"c", 3 * ROW)
    found = [cache.get(key) for key in (b"a", b"b", b"c")]
    assert [None if each is None else float(each[0]) for each in found] == [1.0, None, 3.0]


def test_a_row_larger_than_the_cache_is_not_kept() -> None:
    cache = RowCache(max_bytes=SIZE - 1)
    cache.put(b"a", ROW)
    assert len(cache) == 0


def test_a_kept_row_is_a_copy() -> None:
    cache = RowCache(max_bytes=SIZE)
    row = ROW.copy()
    cache.put(b"a", row)
    row[:] = 0
    kept = cache.get(b"a")
    assert kept is not None
    assert kept[0] == 1

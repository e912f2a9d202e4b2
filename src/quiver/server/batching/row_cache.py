"""Row cache: the rows of sequences that ran lately, bounded in bytes."""

from collections import OrderedDict
from hashlib import blake2b

from quiver.results import Floats

OVERHEAD = 200
"""Bytes an entry costs beside its row."""


class RowCache:
    """The rows used last, by a digest of their sequences: no text is kept."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._rows: OrderedDict[bytes, Floats] = OrderedDict()

    def get(self, sequence: bytes) -> Floats | None:
        """The row, if it is kept."""
        key = _digest(sequence)
        row = self._rows.get(key)
        if row is not None:
            self._rows.move_to_end(key)
        return row

    def put(self, sequence: bytes, row: Floats) -> None:
        """Keep a row, in place of those not used for longest."""
        key, size = _digest(sequence), row.nbytes + OVERHEAD
        if key in self._rows or size > self._max_bytes:
            return
        self._rows[key] = row.copy()
        self._bytes += size
        while self._bytes > self._max_bytes:
            self._bytes -= self._rows.popitem(last=False)[1].nbytes + OVERHEAD

    def __len__(self) -> int:
        return len(self._rows)


def _digest(sequence: bytes) -> bytes:
    return blake2b(sequence, digest_size=16).digest()

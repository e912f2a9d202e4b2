"""Kept states: what frozen layers gave for a text, on disk while a run lasts, found again by its tokens."""

import hashlib
import os
import shutil
import struct
from pathlib import Path

import torch
from torch import Tensor

_RECORD = struct.Struct("<16sQI")
"""Digest of the tokens, first byte of the states, number of tokens."""


class KeptStates:
    """States [length, width] by token sequence, in a file that only grows; a killed run finds its own again.

    The file takes at most half of what the disk has free; what comes later is not kept.

    Args:
        folder: where the two files are, made if need be.
        width: of the states, which are float32.
    """

    def __init__(self, folder: Path, width: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._width = width
        self._states, self._records = folder / "states", folder / "records"
        self._states.touch()
        self._records.touch()
        self._size = self._states.stat().st_size
        self._limit = self._size + shutil.disk_usage(folder).free // 2
        self._places = self._read_records()

    def _read_records(self) -> dict[bytes, tuple[int, int]]:
        """Of whole records whose states are there; a kill may have cut the last of either."""
        stored = self._records.read_bytes()
        whole = len(stored) - len(stored) % _RECORD.size
        os.truncate(self._records, whole)
        return {
            digest: (start, length)
            for digest, start, length in _RECORD.iter_unpack(stored[:whole])
            if start + self._bytes(length) <= self._size
        }

    def _bytes(self, length: int) -> int:
        return length * self._width * torch.float32.itemsize

    def get(self, sequence: Tensor) -> Tensor | None:
        """The states of a sequence of tokens; None if they were not kept."""
        place = self._places.get(_digest(sequence))
        if place is None:
            return None
        start, length = place
        with self._states.open("rb", buffering=0) as stream:
            stream.seek(start)
            stored = bytearray(stream.read(self._bytes(length)))
        return torch.frombuffer(stored, dtype=torch.float32).view(length, self._width)

    def add(self, sequence: Tensor, states: Tensor) -> None:
        """Keep the states of a sequence, if there is room."""
        if self._size + self._bytes(len(states)) > self._limit:
            return
        digest, start = _digest(sequence), self._size
        stored = states.to("cpu", torch.float32).contiguous().numpy()
        with self._states.open("ab") as stream:
            self._size += stream.write(stored.data)
        with self._records.open("ab") as stream:
            stream.write(_RECORD.pack(digest, start, len(states)))
        self._places[digest] = (start, len(states))


def _digest(sequence: Tensor) -> bytes:
    return hashlib.blake2b(sequence.to("cpu", torch.int32).numpy().tobytes(), digest_size=16).digest()

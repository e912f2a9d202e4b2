"""Contents: a digest of all tensors of a checkpoint, remembered as long as its files do not change.

Reading gigabytes takes seconds, so the digest of a large checkpoint is kept in the cache under a signature of
its files: where they are, their inodes, sizes and times of change.
"""

import hashlib
import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from quiver.cache import cache_folder, create_private, open_private
from quiver.models.checkpoint import Checkpoint, TensorEntry

LEAST_BYTES = 64 << 20
"""Smaller checkpoints are read again."""

SETTLING_SECONDS = 2.0
"""A file changed so recently may change once more without a trace in its times, which are coarse."""

READ_BYTES = 1 << 20


def contents_digest(checkpoint: Checkpoint) -> str:
    """Digest of names, types, shapes and bytes of all tensors: 64 hexadecimal digits.

    About a second per gigabyte, and nothing when it is remembered.
    """
    if sum(entry.size for entry in checkpoint.tensors.values()) < LEAST_BYTES:
        return _read_contents(checkpoint)
    files = sorted(file.resolve() for file in {entry.file for entry in checkpoint.tensors.values()})
    signature = _signature(files)
    known = _recall(signature)
    if known:
        return known
    digest = _read_contents(checkpoint)
    if _signature(files) == signature and _have_settled(files):
        _remember(signature, digest)
    return digest


def _read_contents(checkpoint: Checkpoint) -> str:
    names = sorted(checkpoint.tensors)
    entries = [checkpoint.tensors[name] for name in names]
    with ThreadPoolExecutor() as pool:
        hashes = list(pool.map(_tensor_hash, entries))
    parts = [
        (name, e.dtype, e.shape, content) for name, e, content in zip(names, entries, hashes, strict=True)
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _tensor_hash(entry: TensorEntry) -> str:
    """Read piece by piece: a mapped file counts as this process's memory, and ends it when cut short."""
    hashed, left, buffer = hashlib.sha256(), entry.size, memoryview(bytearray(READ_BYTES))
    with entry.file.open("rb", buffering=0) as stream:
        stream.seek(entry.offset)
        while left > 0 and (count := stream.readinto(buffer[: min(left, READ_BYTES)])):
            hashed.update(buffer[:count])
            left -= count
    return hashed.hexdigest()


def _signature(files: list[Path]) -> str:
    found = [(str(file), file.stat()) for file in files]
    parts = [(path, s.st_ino, s.st_size, s.st_mtime_ns, s.st_ctime_ns) for path, s in found]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _have_settled(files: list[Path]) -> bool:
    return max(file.stat().st_ctime for file in files) < time.time() - SETTLING_SECONDS


def _recall(signature: str) -> str | None:
    try:
        with open_private(cache_folder("digests") / signature) as stream:
            stored = stream.read()
    except OSError:
        return None
    whole = len(stored) == 64 and all(digit in b"0123456789abcdef" for digit in stored)
    return stored.decode() if whole else None


def _remember(signature: str, digest: str) -> None:
    """Keep a digest; where that fails it is computed again."""
    try:
        with create_private(cache_folder("digests") / signature) as stream:
            stream.write(digest.encode())
            stream.truncate()
    except OSError:
        pass

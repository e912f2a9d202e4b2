"""The packed cache: a model is packed once into a file, which every later start and every process maps.

Whoever packs holds a lock on the partial file, which the kernel releases if it dies; the others wait and map
what it made. Where nothing can be cached, the model is packed in memory.
"""

import errno
import fcntl
import logging
import os
import shutil
import time
from pathlib import Path
from typing import BinaryIO

from quiver.cache import cache_folder, create_private, open_private
from quiver.engine.native_weights import PackedMatrix, Packer
from quiver.engine.packed_file import PackedFormat

LEAST_BYTES = 64 << 20
"""Smaller models are packed at every start, in a tenth of a second."""

FREE_BYTES = 1 << 30
"""What a packed file leaves free on the disk."""

PATIENCE_SECONDS = 300.0
"""How long another process may take to pack the same model."""

_POLL_SECONDS = 0.05


def load_matrices(packer: Packer) -> list[PackedMatrix]:
    """All packed matrices in their order, from the cache if the model is large and there can be one."""
    if packer.size >= LEAST_BYTES:
        try:
            return _load_cached(packer)
        except OSError as error:
            logging.getLogger(__name__).warning(
                "The packed weights of %s cannot be cached (%s), so every start packs them again; "
                "set XDG_CACHE_HOME to a folder of your own with room for %d MB",
                packer.checkpoint.name,
                error,
                packer.size >> 20,
            )
    return [shape.view(packer.pack(name)) for name, shape in packer.shapes.items()]


def _load_cached(packer: Packer) -> list[PackedMatrix]:
    """Map the packed file, after packing it if need be; raises OSError if that is not possible."""
    folder = cache_folder("packed")
    packed_format = PackedFormat(packer)
    path = folder / f"{packed_format.key}.safetensors"
    partial = path.with_suffix(".partial")
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (matrices := _map(path, packed_format)) is None:
        with create_private(partial) as stream:
            if _lock(stream, partial, deadline):
                return _pack(stream, partial, path, packed_format)
    return matrices


def _map(path: Path, packed_format: PackedFormat) -> list[PackedMatrix] | None:
    """The matrices of a file that is whole and private; None if there is no such file."""
    try:
        with open_private(path) as stream:
            return packed_format.map(stream)
    except OSError:
        return None


def _pack(stream: BinaryIO, partial: Path, path: Path, packed_format: PackedFormat) -> list[PackedMatrix]:
    """Pack into the locked partial file and give it its name, unless another process just did."""
    try:
        matrices = _map(path, packed_format)
        if matrices is None:
            _remove_abandoned(partial)
            stream.truncate(0)
            _check_space(partial.parent, packed_format.size)
            packed_format.write(stream)
            if not packed_format.is_current():
                raise OSError("the checkpoint changed while it was packed")
            os.replace(partial, path)
            matrices = _map(path, packed_format)
    finally:
        if _is_at(stream, partial):
            partial.unlink()
    if matrices is None:
        raise OSError(f"{path} cannot be read back")
    return matrices


def _lock(stream: BinaryIO, partial: Path, deadline: float) -> bool:
    """Wait for the lock; False if whoever held it has moved the file or removed it.

    Raises TimeoutError at the deadline.
    """
    while not _try_lock(stream):
        if not _is_at(stream, partial):
            return False
        if time.monotonic() > deadline:
            raise TimeoutError("another process has been packing them for too long")
        time.sleep(_POLL_SECONDS)
    return _is_at(stream, partial)


def _try_lock(stream: BinaryIO) -> bool:
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_at(stream: BinaryIO, path: Path) -> bool:
    """Whether a path still leads to this file."""
    try:
        return os.path.samestat(os.fstat(stream.fileno()), path.stat(follow_symlinks=False))
    except FileNotFoundError:
        return False


def _remove_abandoned(own: Path) -> None:
    """Remove the partial files of processes that died: those that nobody locks."""
    for partial in own.parent.glob("*.partial"):
        if partial == own:
            continue
        try:
            with create_private(partial) as stream:
                if _try_lock(stream) and _is_at(stream, partial):
                    partial.unlink()
        except OSError:
            continue


def _check_space(folder: Path, size: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < size + FREE_BYTES:
        raise OSError(errno.ENOSPC, f"they take {size:,} bytes, of {free:,} free", str(folder))

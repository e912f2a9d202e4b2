"""Lock: one writer a folder. The kernel holds the lock, so that it ends with the process, however it ends."""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from quiver.errors import IndexBusy, StoreError

LOCK_NAME = "lock"


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Hold the folder's lock; raises IndexBusy, saying who has it."""
    path = folder / LOCK_NAME
    try:
        stream = open(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644), "r+b")
    except OSError as error:
        raise StoreError(f"{path} cannot be locked: {error.strerror}") from error
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise IndexBusy(f"{folder} is being written by {_holder(stream)}; wait, or stop it") from None
        _sign(stream)
        yield


def _sign(stream: BinaryIO) -> None:
    """Leave a note on who holds the lock; without it (a full disk) the lock holds all the same."""
    try:
        stream.truncate(0)
        stream.write(json.dumps({"process": os.getpid(), "since": time.strftime("%H:%M:%S")}).encode())
        stream.flush()
    except OSError:
        return


def _holder(stream: BinaryIO) -> str:
    try:
        note = json.loads(stream.read())
        return f"process {note['process']} since {note['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"

"""Targets: where results go. A file appears under its name only when it is complete.

Results are written beside the file, under a name of our own, and renamed at the end: a full disk, Ctrl-C or
an error half way leaves what was there before. Devices and pipes (``/dev/stdout``) are written directly.
"""

import errno
import os
import secrets
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from quiver.cli.endings import ReaderGone, abandon_stdout
from quiver.errors import QuiverError

STDOUT_NAME = "standard output"


class OutputError(QuiverError):
    """Results cannot be written where they should go."""


class Target:
    """A binary stream whose failures say what could not be written, and why."""

    def __init__(self, stream: BinaryIO, name: str, *, rewritable: bool) -> None:
        self._stream = stream
        self._name = name
        self._abandoned = False
        self.rewritable = rewritable
        """Whether the beginning can be written again at the end."""

    @property
    def closed(self) -> bool:
        """Never: whoever opened the target closes it (pyarrow asks)."""
        return False

    def write(self, content: bytes | memoryview) -> int:
        """Write all of ``content``."""
        if self._abandoned:
            return memoryview(content).nbytes
        with _explained(self._name):
            return self._stream.write(content)

    def flush(self) -> None:
        """Hand over what is buffered."""
        if not self._abandoned:
            with _explained(self._name):
                self._stream.flush()

    def rewind(self) -> None:
        """Go back to the beginning; only where ``rewritable``."""
        with _explained(self._name):
            self._stream.seek(0)

    def abandon(self) -> None:
        """Ignore all further writes: a library that cleans up after a failure must not fail again."""
        self._abandoned = True


@contextmanager
def open_target(path: Path | None) -> Iterator[Target]:
    """Open a file, or standard output (None), for writing.

    Raises OutputError if it cannot be opened or written.
    """
    if path is None:
        opened = _standard_output()
    elif os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path):
        opened = _device(path)
    else:
        opened = _file(path)
    with opened as target:
        yield target


@contextmanager
def rewritable(target: Target) -> Iterator[Target]:
    """The target itself, or a stand-in for a pipe that is copied to it at the end."""
    if target.rewritable:
        yield target
        return
    with tempfile.TemporaryFile() as stream:
        stand_in = Target(stream, f"a temporary file in {tempfile.gettempdir()}", rewritable=True)
        yield stand_in
        stand_in.rewind()
        shutil.copyfileobj(stream, target)


@contextmanager
def _standard_output() -> Iterator[Target]:
    if sys.stdout is None:
        raise OutputError("standard output is closed; give a file with --output")
    target = Target(sys.stdout.buffer, STDOUT_NAME, rewritable=False)
    try:
        yield target
        target.flush()
    except BaseException:
        target.abandon()
        raise


@contextmanager
def _device(path: Path) -> Iterator[Target]:
    with _explained(str(path)):
        stream = path.open("wb")
    target = Target(stream, str(path), rewritable=False)
    try:
        yield target
        target.flush()
    finally:
        target.abandon()
        with suppress(OSError):
            stream.close()


@contextmanager
def _file(path: Path) -> Iterator[Target]:
    final = Path(os.path.realpath(path))  # a link keeps pointing where it points
    if os.path.isdir(final):
        raise OutputError(f"{path} is a folder; name a file in it")
    if not os.path.isdir(final.parent):
        raise OutputError(f"{path} cannot be written: there is no folder {final.parent}")
    partial = final.parent / f".quiver-{secrets.token_hex(4)}.part"
    with _explained(str(path)):
        mode = _mode(final)
        stream = partial.open("xb")
    target = Target(stream, str(path), rewritable=True)
    try:
        yield target
        target.flush()
        with _explained(str(path)):
            os.fsync(stream.fileno())
            stream.close()
            if mode is not None:
                partial.chmod(mode)
            partial.replace(final)
    except BaseException:
        target.abandon()
        with suppress(OSError):
            stream.close()
        partial.unlink(missing_ok=True)
        raise


def _mode(path: Path) -> int | None:
    """Permissions of a file that is there; an impossible name fails here, before any work is done."""
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        return None


@contextmanager
def _explained(name: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if name == STDOUT_NAME:
            abandon_stdout()
        if isinstance(error, BrokenPipeError):
            raise ReaderGone from error
        hint = "; free some space, or write elsewhere" if error.errno == errno.ENOSPC else ""
        raise OutputError(f"{name} cannot be written: {error.strerror or error}{hint}") from error

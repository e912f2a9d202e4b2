"""Cache: folders for what Quiver can make again, and files there that nobody else can have written."""

import os
import stat
from pathlib import Path
from typing import BinaryIO


def cache_folder(name: str) -> Path:
    """``$XDG_CACHE_HOME/quiver/<name>`` (by default in ``~/.cache``), made if need be.

    Raises OSError if it cannot be made, if others may write to it, or if this system cannot tell.
    """
    if os.name != "posix":
        raise PermissionError("nothing is cached on this system: owners of files are not checked here")
    given = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(given) if os.path.isabs(given) else _home() / ".cache"
    folder = base / "quiver" / name
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _check_private(folder.stat(), folder)
    return folder


def open_private(path: Path) -> BinaryIO:
    """Open a file for reading; raises OSError if it is absent or others may have written it."""
    stream = open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb")
    try:
        _check_private(os.fstat(stream.fileno()), path)
    except OSError:
        stream.close()
        raise
    return stream


def create_private(path: Path) -> BinaryIO:
    """Open a file for writing as this user's alone; one that exists keeps its content."""
    return open(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600), "r+b")


def _check_private(found: os.stat_result, path: Path) -> None:
    """As ssh does: of this user or root, and writable by nobody else."""
    if found.st_uid not in (0, os.geteuid()):
        raise PermissionError(f"{path} belongs to another user; remove it, or set XDG_CACHE_HOME")
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise PermissionError(f"others may write to {path}; remove it, or: chmod go-w {path}")


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError as error:
        raise FileNotFoundError("this user has no home folder; set XDG_CACHE_HOME") from error

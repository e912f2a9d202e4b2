"""Storage: files on local disks or any store that fsspec knows, by their addresses."""

import re
import secrets
from collections.abc import Callable, Collection
from typing import Any, BinaryIO

from quiver.cluster.extra import check_installed
from quiver.errors import InputError

SHORTENED = re.compile(r"^([a-z][a-z0-9+.-]*):/(?!/)")
"""What a path makes of ``s3://bucket``."""


def address_of(path: object) -> str:
    """An address that may have passed through a path, which takes two slashes for one."""
    return SHORTENED.sub(r"\1://", str(path))


class Place:
    """A file or folder in some store."""

    def __init__(self, address: str) -> None:
        """Raises InputError for a store that is not known, or whose package is absent."""
        check_installed()
        from fsspec.core import url_to_fs

        self.address = address
        try:
            self._system, self._path = url_to_fs(address)
        except (ImportError, ValueError) as error:
            raise InputError(f"{address} cannot be reached: {error}") from error

    def __truediv__(self, name: str) -> "Place":
        return Place(f"{self.address.rstrip('/')}/{name}")

    @property
    def name(self) -> str:
        """The last part of the address."""
        return self.address.rstrip("/").rpartition("/")[2]

    @property
    def absolute(self) -> str:
        """The address, from any folder and machine that sees the same disk."""
        unstripped: str = self._system.unstrip_protocol(self._path)
        return unstripped.removeprefix("file://")

    def exists(self) -> bool:
        """Whether there is anything."""
        return bool(self._system.exists(self._path))

    def is_folder(self) -> bool:
        """Whether there is a folder."""
        return bool(self._system.isdir(self._path))

    def size(self) -> int:
        """Bytes."""
        return int(self._system.size(self._path) or 0)

    def names(self) -> list[str]:
        """Names of the files in the folder."""
        if not self._system.isdir(self._path):
            return []
        self._system.invalidate_cache()
        return [str(found).rpartition("/")[2] for found in self._system.ls(self._path, detail=False)]

    def make_folder(self) -> None:
        """Make the folder, where the store has folders."""
        self._system.makedirs(self._path, exist_ok=True)

    def open(self) -> BinaryIO:
        """The file's bytes, seekable."""
        opened: BinaryIO = self._system.open(self._path, "rb")
        return opened

    def read(self) -> bytes:
        """All bytes of the file."""
        content: bytes = self._system.cat_file(self._path)
        return content

    def remove_unfinished(self, names: Collection[str]) -> None:
        """Remove what writers that died left in the folder of files by these names."""
        for found in self.names():
            name, _, _ = found.removeprefix(".").rpartition(".")
            if found.startswith(".") and name in names:
                self._system.rm(f"{self._path}/{found}")

    def write_whole(self, write: Callable[[Any], None]) -> None:
        """Let ``write`` fill a file that appears under its name only when it is complete.

        Whoever writes the same file at the same time writes the same, so the last one may win.
        """
        parent, _, name = self._path.rpartition("/")
        partial = f"{parent}/.{name}.{secrets.token_hex(4)}"
        try:
            with self._system.open(partial, "wb") as stream:
                write(stream)
            self._system.mv(partial, self._path)
        except BaseException:
            if self._system.exists(partial):
                self._system.rm(partial)
            raise

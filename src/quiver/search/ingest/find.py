"""Find: the files below some paths, in one order every time, each with the digest of its content.

What ``.gitignore`` names, what begins with a dot, and what editors and downloads leave while they work is
passed over in silence, unless it is given itself.
Everything else that stays out is Skipped with the reason. Symbolic links are followed only where they
are given: one in a folder could lead out of it, or round in a circle.
"""

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from quiver.errors import UnreadableFile
from quiver.search.ingest.formats import check_size, known_format
from quiver.search.ingest.ignored import IgnoreRules, is_ignored, rules_above, rules_in
from quiver.search.passages import Skipped, SourceFile

OPEN_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
"""A pipe that takes a file's place between two looks must not block."""

TEMPORARY = ("*~", "#*#", "~$*", "*.part", "*.crdownload")
"""Files of editors and office programs beside those that they edit, and downloads that are not complete."""

Found = SourceFile | Skipped


def find_files(paths: Iterable[str | Path]) -> Iterator[Found]:
    """The files that are given and those below the folders that are given, none of them twice.

    A file's path is the given one joined with the names below it.
    """
    seen: set[str | Skipped] = set()
    for path in paths:
        for found in _below(os.fspath(path)):
            same = os.path.realpath(found.location) if isinstance(found, SourceFile) else found
            if same not in seen:
                seen.add(same)
                yield found


def _below(path: str) -> Iterator[Found]:
    try:
        is_folder = stat.S_ISDIR(os.stat(path).st_mode)
    except (OSError, ValueError) as error:
        yield Skipped(printable(path), reason_of(error))
        return
    if is_folder:
        yield from _walk(path)
    else:
        yield _source(path, given=True)


def _walk(root: str) -> Iterator[Found]:
    waiting: list[tuple[str, tuple[IgnoreRules, ...]]] = [(root, rules_above(root))]
    while waiting:
        path, rules = waiting.pop()
        if path is not root and not _is_folder(path):
            yield _source(path)
            continue
        inner = (*rules, *rules_in(path))
        try:
            entries = sorted(os.scandir(path), key=lambda entry: os.fsencode(entry.name), reverse=True)
        except OSError as error:
            yield Skipped(printable(path), reason_of(error))
            continue
        waiting.extend((entry.path, inner) for entry in entries if not _is_passed_over(entry, inner))


def _is_passed_over(entry: os.DirEntry[str], rules: tuple[IgnoreRules, ...]) -> bool:
    is_folder = entry.is_dir(follow_symlinks=False)
    if entry.name.startswith(".") or (not is_folder and _is_temporary(entry.name)):
        return True
    return is_ignored(rules, entry.path, is_folder=is_folder)


def _is_temporary(name: str) -> bool:
    return any(fnmatchcase(name.lower(), pattern) for pattern in TEMPORARY)


def _is_folder(path: str) -> bool:
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except OSError:
        return False


def _source(path: str, *, given: bool = False) -> Found:
    try:
        return _look_at(path, given)
    except (OSError, ValueError, UnreadableFile) as error:
        return Skipped(printable(path), reason_of(error))


def _look_at(path: str, given: bool) -> SourceFile:
    """The file with its digest; ``given`` files may be links, and have any name."""
    if printable(path) != path:
        raise UnreadableFile("its name is not UTF-8; rename it")
    state = os.stat(path) if given else os.lstat(path)
    _check_kind(state)
    if not given:
        known_format(path)
    check_size(path, state.st_size)
    with open(os.open(path, OPEN_FLAGS), "rb") as stream:
        before = os.fstat(stream.fileno())
        _check_kind(before)
        check_size(path, before.st_size)
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
        after = os.fstat(stream.fileno())
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise UnreadableFile("it changed while it was read; it is for the next run")
    return SourceFile(
        path=Path(path).as_posix(),
        location=Path(path),
        size=after.st_size,
        modified_ns=after.st_mtime_ns,
        digest=digest,
    )


def _check_kind(state: os.stat_result) -> None:
    if stat.S_ISLNK(state.st_mode):
        raise UnreadableFile("it is a symbolic link; give it as a path of its own to follow it")
    if not stat.S_ISREG(state.st_mode):
        raise UnreadableFile("it is no file but a pipe, a socket or a device")


def printable(path: str) -> str:
    """The path with bytes that are no UTF-8 spelled out, and on one line."""
    text = os.fsencode(path).decode(errors="backslashreplace")
    return text.replace("\n", "\\n").replace("\r", "\\r")


def reason_of(error: Exception) -> str:
    """Why something could not be read, in one line."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error)

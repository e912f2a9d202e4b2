"""Ignored: what ``.gitignore`` files say, each for the folders below it, the nearest one first."""

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass

from pathspec import GitIgnoreSpec

IGNORE_FILE = ".gitignore"
LARGEST_IGNORE_FILE = 1 << 20


@dataclass(frozen=True, slots=True)
class IgnoreRules:
    """The rules of one folder's ignore file."""

    folder: str
    spec: GitIgnoreSpec


def is_ignored(rules: Sequence[IgnoreRules], path: str, *, is_folder: bool) -> bool:
    """Whether the innermost rule that speaks of the path says so; outer folders' rules come first."""
    for each in reversed(rules):
        relative = os.path.relpath(path, each.folder) + ("/" if is_folder else "")
        included = each.spec.check_file(os.fsencode(relative).decode(errors="replace")).include
        if included is not None:
            return included
    return False


def rules_above(folder: str) -> tuple[IgnoreRules, ...]:
    """The rules of the folders between the repository's top and this one, itself left out."""
    above = []
    at = os.path.abspath(folder)
    while not os.path.lexists(os.path.join(at, ".git")):
        at, below = os.path.dirname(at), at
        if at == below:
            return ()
        above.append(at)
    return tuple(rule for each in reversed(above) for rule in rules_in(each))


def rules_in(folder: str) -> tuple[IgnoreRules, ...]:
    """The rules of a folder's own ignore file; none if it cannot be read, as for git."""
    path = os.path.join(folder, IGNORE_FILE)
    try:
        if not stat.S_ISREG(os.lstat(path).st_mode):
            return ()
        with open(path, encoding="utf-8", errors="replace") as stream:
            lines = stream.read(LARGEST_IGNORE_FILE).splitlines()
    except OSError:
        return ()
    return (IgnoreRules(folder, _spec(lines)),)


def _spec(lines: Sequence[str]) -> GitIgnoreSpec:
    try:
        return GitIgnoreSpec.from_lines(lines)
    except ValueError:
        return GitIgnoreSpec.from_lines(line for line in lines if _is_pattern(line))


def _is_pattern(line: str) -> bool:
    try:
        GitIgnoreSpec.from_lines([line])
    except ValueError:
        return False
    return True

"""Whole files: a file appears under its name only when it is complete, whenever the process is killed."""

import os
import secrets
from collections.abc import Iterable
from pathlib import Path


def write_whole(path: Path, parts: Iterable[str]) -> None:
    """Write the parts as UTF-8 beside the file, and rename it at the end; raises OSError."""
    partial = path.with_name(f".quiver-{secrets.token_hex(4)}.part")
    try:
        with partial.open("x", encoding="utf-8", newline="\n") as stream:
            stream.writelines(parts)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)

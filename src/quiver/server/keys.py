"""Keys: who may use the server. Keys are compared as digests and in constant time, and never logged."""

import hashlib
import hmac
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from quiver.errors import InputError

ENVIRONMENT = "QUIVER_API_KEYS"
"""Holds keys, separated by commas or white space."""

HEADERS = ("x-api-key", "api-key")
"""Where a key may be, besides ``Authorization: Bearer KEY``."""


class KeyRing:
    """The keys that open a server; an empty ring opens it to everyone."""

    def __init__(self, keys: Iterable[str] = ()) -> None:
        self._digests = tuple(dict.fromkeys(_digest(key) for key in keys))

    def __bool__(self) -> bool:
        return bool(self._digests)

    def name_of(self, candidate: str) -> str | None:
        """A name for the key that can be shown, such as ``key-1``; None if it is none of ours."""
        digest = _digest(candidate)
        matches = [hmac.compare_digest(digest, known) for known in self._digests]
        return f"key-{matches.index(True) + 1}" if any(matches) else None


def presented_key(headers: Mapping[str, str]) -> str | None:
    """The key that a request carries, wherever its client puts it."""
    scheme, _, credentials = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and credentials.strip():
        return credentials.strip()
    return next((headers[name] for name in HEADERS if headers.get(name)), None)


def collect_keys(given: Iterable[str], file: Path | None) -> list[str]:
    """Keys from the command line, a file (one a line, ``#`` comments) and the environment.

    Raises InputError if the file cannot be read or holds no key, or if a key could not be sent in a header.
    """
    keys = [*given, *os.environ.get(ENVIRONMENT, "").replace(",", " ").split()]
    if file is not None:
        keys += _read(file)
    for key in keys:
        if not key or not key.isascii() or not key.isprintable() or " " in key:
            raise InputError("an API key must be printable ASCII without blanks; one of those given is not")
    return keys


def _read(file: Path) -> list[str]:
    try:
        lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise InputError(f"the file of API keys {file} cannot be read: {reason}") from None
    keys = [line for line in lines if line and not line.startswith("#")]
    if not keys:
        raise InputError(f"the file of API keys {file} holds none; write one a line, or leave the option out")
    return keys


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()

"""Lease: one writer at a time where the database has no locks.

A writer leaves a note with its name and a count that it raises every few seconds. Whoever finds a note
watches: a count that rises is a writer at work, one that stands still a writer that died. Nobody's clock is
read. After writing its own note a writer waits and looks whether another has written since (Fischer's
algorithm: safe if no write takes longer than the wait).
"""

import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from quiver.errors import IndexBusy, QuiverError
from quiver.search.lock import only_writer
from quiver.search.versioned.tables import Tables

NOTE = "lease"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Seconds."""

    beat: float = 3.0
    """Between signs of life."""
    patience: float = 15.0
    """Without one, after which a writer counts as dead."""
    settling: float = 1.0
    """After which a note that still stands is the only one."""


@contextmanager
def one_writer(tables: Tables, folder: Path | None) -> Iterator[Callable[[], None]]:
    """Be the only writer, by a lock on a folder of this machine or, without one, by a lease in the database.

    Gives what raises IndexBusy once another writer has taken over.
    """
    if folder is None:
        with Lease(tables).held() as check:
            yield check
        return
    folder.mkdir(exist_ok=True)
    with only_writer(folder):
        yield lambda: None


class Lease:
    """The right to write an index, for as long as ``held`` lasts."""

    def __init__(self, tables: Tables, pace: Pace | None = None) -> None:
        self._tables = tables
        self._pace = pace or Pace()
        self._own = secrets.token_hex(8)
        self._count = 0

    @contextmanager
    def held(self) -> Iterator[Callable[[], None]]:
        """Hold the lease; gives what raises IndexBusy once another writer has taken it."""
        self._wait_for_the_dead()
        self._sign()
        time.sleep(self._pace.settling)
        self._check()
        done = threading.Event()
        beating = threading.Thread(target=self._beat, args=(done,), name="lease", daemon=True)
        beating.start()
        try:
            yield self._check
        finally:
            done.set()
            beating.join()
            if self._is_ours():
                self._tables.write_note(NOTE, "")

    def _wait_for_the_dead(self) -> None:
        first = self._tables.read_note(NOTE)
        deadline = time.monotonic() + self._pace.patience
        while first and time.monotonic() < deadline:
            time.sleep(self._pace.beat / 3)
            now = self._tables.read_note(NOTE)
            if not now:
                return
            if now != first:
                raise self._busy(now)

    def _beat(self, done: threading.Event) -> None:
        while not done.wait(self._pace.beat):
            try:
                if not self._is_ours():
                    return
                self._sign()
            except QuiverError:
                continue  # a database that is away for a moment; the next beat may reach it

    def _sign(self) -> None:
        self._count += 1
        note = {"own": self._own, "count": self._count, "host": socket.gethostname(), "process": os.getpid()}
        self._tables.write_note(NOTE, json.dumps(note))

    def _is_ours(self) -> bool:
        note = self._tables.read_note(NOTE)
        return bool(note) and json.loads(note or "{}").get("own") == self._own

    def _check(self) -> None:
        if not self._is_ours():
            raise self._busy(self._tables.read_note(NOTE))

    def _busy(self, note: str | None) -> IndexBusy:
        holder = json.loads(note) if note else {}
        who = f"process {holder['process']} on {holder['host']}" if "process" in holder else "another process"
        return IndexBusy(f"{self._tables.name} is being written by {who}; wait, or stop it")

"""The lease that stands for a lock in databases without one."""

import threading
import time
from pathlib import Path
from typing import cast

import pytest

from quiver.errors import IndexBusy
from quiver.search.versioned.lease import NOTE, Lease, Pace
from quiver.search.versioned.tables import Tables

PACE = Pace(beat=0.06, patience=0.5, settling=0.05)


class Notes:
    """As much of tables as a lease needs."""

    name = "the index"

    def __init__(self) -> None:
        self.notes: dict[str, str] = {}

    def read_note(self, name: str) -> str | None:
        return self.notes.get(name)

    def write_note(self, name: str, content: str) -> None:
        self.notes[name] = content


def lease(notes: Notes, pace: Pace = PACE) -> Lease:
    return Lease(cast(Tables, notes), pace)


def test_a_second_writer_is_told_who_writes() -> None:
    notes = Notes()
    with (
        lease(notes).held(),
        pytest.raises(IndexBusy, match=r"the index is being written by process \d+ on .*; wait, or stop it"),
        lease(notes).held(),
    ):
        pass
    with lease(notes).held() as check:
        check()


def test_a_dead_writer_is_waited_for_and_followed() -> None:
    notes = Notes()
    with lease(notes).held():
        left = notes.notes[NOTE]
    notes.notes[NOTE] = left
    begun = time.monotonic()
    with lease(notes).held() as check:
        assert time.monotonic() - begun >= PACE.patience
        check()


def test_a_writer_that_was_overtaken_learns_it() -> None:
    notes = Notes()
    with lease(notes).held() as check:
        notes.notes[NOTE] = '{"own": "another", "count": 1, "host": "there", "process": 5}'
        with pytest.raises(IndexBusy, match="process 5 on there"):
            check()
    assert "another" in notes.notes[NOTE]


def test_of_many_at_once_one_gets_it() -> None:
    notes = Notes()
    inside: list[int] = []
    most = []
    started = threading.Barrier(6)

    def write() -> None:
        started.wait()
        try:
            with lease(notes).held():
                inside.append(1)
                most.append(len(inside))
                time.sleep(0.3)
                inside.pop()
        except IndexBusy:
            pass

    threads = [threading.Thread(target=write) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]


def test_a_database_that_is_away_for_a_moment(tmp_path: Path) -> None:
    from quiver.errors import StoreError

    class Flaky(Notes):
        away = False

        def read_note(self, name: str) -> str | None:
            if self.away:
                raise StoreError("not there")
            return super().read_note(name)

    notes = Flaky()
    with lease(notes).held() as check:
        notes.away = True
        time.sleep(3 * PACE.beat)
        notes.away = False
        time.sleep(2 * PACE.beat)
        check()

"""A digest is remembered while the files stay the same, and never longer."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from quiver.cache import cache_folder
from quiver.models import contents
from quiver.models.checkpoint import Checkpoint, open_checkpoint
from quiver.models.contents import contents_digest
from tests.checkpoints import write_checkpoint


@pytest.fixture(autouse=True)
def remembers_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small and new files too."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(contents, "LEAST_BYTES", 0)
    monkeypatch.setattr(contents, "SETTLING_SECONDS", -3600.0)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Checkpoint:
    return open_checkpoint(write_checkpoint(tmp_path / "embedding", max_shard_size="50KB"))


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> list[Checkpoint]:
    """Every reading of a whole checkpoint."""
    made: list[Checkpoint] = []
    read = contents._read_contents

    def counted(checkpoint: Checkpoint) -> str:
        made.append(checkpoint)
        return read(checkpoint)

    monkeypatch.setattr(contents, "_read_contents", counted)
    return made


def test_an_unchanged_checkpoint_is_read_once(checkpoint: Checkpoint, readings: list[Checkpoint]) -> None:
    assert contents_digest(checkpoint) == contents_digest(checkpoint)
    assert len(readings) == 1


def test_a_change_that_keeps_size_and_time_is_seen(checkpoint: Checkpoint) -> None:
    before = contents_digest(checkpoint)
    file = checkpoint.tensors["norm.weight"].file
    found = file.stat()
    with file.open("r+b") as stream:
        stream.seek(-1, os.SEEK_END)
        stream.write(b"\x01")
    os.utime(file, ns=(found.st_atime_ns, found.st_mtime_ns))
    assert contents_digest(checkpoint) != before


def test_a_checkpoint_written_just_now_is_read_again(
    checkpoint: Checkpoint, readings: list[Checkpoint], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contents, "SETTLING_SECONDS", 3600.0)
    contents_digest(checkpoint)
    contents_digest(checkpoint)
    assert len(readings) == 2


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"\0" * 64),
        lambda path: path.write_bytes(b"0" * 65),
        lambda path: path.chmod(0o622),
    ],
)
def test_a_note_that_is_damaged_or_not_private_is_not_believed(
    checkpoint: Checkpoint, readings: list[Checkpoint], spoil: Callable[[Path], None]
) -> None:
    right = contents_digest(checkpoint)
    (note,) = cache_folder("digests").iterdir()
    spoil(note)
    assert contents_digest(checkpoint) == right
    assert len(readings) == 2


def test_it_works_where_nothing_can_be_kept(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    right = contents_digest(checkpoint)
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert contents_digest(checkpoint) == right

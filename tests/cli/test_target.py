import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from quiver.cli.target import OutputError, Target, open_target, rewritable
from tests.cli.conftest import finished


def leftovers(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.startswith(".quiver-")]


def test_a_file_appears_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with open_target(path) as target:
        target.write(b"half")
        assert not path.exists()
        assert len(leftovers(tmp_path)) == 1
    assert path.read_bytes() == b"half"
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("interruption", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_failure_leaves_what_was_there(tmp_path: Path, interruption: type[BaseException]) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"before")

    def fail() -> None:
        with open_target(path) as target:
            target.write(b"half")
            raise interruption

    with pytest.raises(interruption):
        fail()
    assert path.read_bytes() == b"before"
    assert leftovers(tmp_path) == []


def test_permissions_are_kept_and_else_usual(tmp_path: Path) -> None:
    old, new, plain = tmp_path / "old", tmp_path / "new", tmp_path / "plain"
    old.touch(mode=0o640)
    old.chmod(0o640)
    plain.touch()
    for path in (old, new):
        with open_target(path) as target:
            target.write(b"x")
    assert old.stat().st_mode & 0o777 == 0o640
    assert new.stat().st_mode == plain.stat().st_mode


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"before")
    (tmp_path / "link").symlink_to("real")
    with open_target(tmp_path / "link") as target:
        target.write(b"after")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"after"


def test_a_device_is_written_and_never_replaced() -> None:
    before = os.stat("/dev/null")
    with open_target(Path("/dev/null")) as target:
        target.write(b"x")
        assert not target.rewritable
    assert os.stat("/dev/null").st_ino == before.st_ino


def test_a_full_device() -> None:
    with (
        pytest.raises(OutputError, match="/dev/full cannot be written: No space left on device; free"),
        open_target(Path("/dev/full")) as target,
    ):
        target.write(b"x")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "is a folder; name a file in it"),
        ("absent/a.jsonl", "there is no folder"),
        ("long" * 100, "File name too long"),
        ("loop/a", "there is no folder|symbolic links"),
    ],
)
def test_places_where_no_file_can_be(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(OutputError, match=message), open_target(tmp_path / name):
        raise AssertionError("opened")
    assert leftovers(tmp_path) == []


def test_an_abandoned_target_ignores_writes(tmp_path: Path) -> None:
    with (tmp_path / "a").open("wb") as stream:
        target = Target(stream, "a", rewritable=True)
        target.abandon()
        assert target.write(b"xyz") == 3
        target.flush()
    assert (tmp_path / "a").read_bytes() == b""


def test_what_goes_to_a_pipe_can_be_rewritten_first(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    with open_target(None) as target, rewritable(target) as stand_in:
        assert not target.rewritable
        stand_in.write(b"?bc")
        stand_in.rewind()
        stand_in.write(b"a")
    assert capsysbinary.readouterr().out == b"abc"


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB, where root may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    command = [mount or "mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if mount is None or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("no permission to mount a small file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("name", ["a.jsonl", "a.npy", "a.parquet"])
def test_a_full_disk_leaves_nothing_but_an_error(tiny_disk: Path, tmp_path: Path, name: str) -> None:
    texts = "".join(f"text number {number}\n" for number in range(3000)).encode()
    run = finished("embed", "--output", tiny_disk / name, "--format", name[2:], stdin=texts)
    assert run.err == (
        f"error: {tiny_disk / name} cannot be written: No space left on device; "
        "free some space, or write elsewhere\n"
    )
    assert run.code == 1
    assert list(tiny_disk.iterdir()) == []


def test_a_disk_with_room_takes_every_format(tiny_disk: Path) -> None:
    for name in ("a.jsonl", "a.npy", "a.parquet"):
        assert finished("embed", "x", "y", "z", "--output", tiny_disk / name).code == 0
    assert np.load(tiny_disk / "a.npy").shape == (3, 8)
    assert pq.read_table(tiny_disk / "a.parquet").num_rows == 3
    assert len((tiny_disk / "a.jsonl").read_bytes().splitlines()) == 3


@pytest.mark.parametrize("format", ["table", "jsonl", "npy", "parquet"])
def test_a_full_standard_output(format: str) -> None:
    with open("/dev/full", "wb") as full:
        run = finished("embed", "x", "y", "--format", format, stdout=full)
    assert run.code == 1
    assert run.err.startswith("error: standard output cannot be written: No space left on device")
    assert run.err.count("\n") == 1


@pytest.mark.parametrize("arguments", [["models"], ["--help"], ["--version"]])
def test_a_full_standard_output_without_vectors(arguments: list[str]) -> None:
    with open("/dev/full", "wb") as full:
        run = finished(*arguments, stdout=full)
    assert run.code == 1
    assert "No space left on device" in run.err
    assert run.err.count("\n") == 1

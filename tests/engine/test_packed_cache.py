"""The packed cache: the same bits from memory, a new file and a mapped one, whatever happens to the file."""

import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Timer
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open

from quiver.cache import cache_folder, create_private
from quiver.engine.base import Floats
from quiver.engine.execute import plan_and_run
from quiver.errors import CheckpointError
from quiver.models.checkpoint import open_checkpoint
from tests.checkpoints import edit_json, write_checkpoint
from tests.engine.oracle import random_sequences

pytest.importorskip("quiver.engine.native", reason="no extension here", exc_type=ImportError)
from quiver import _native
from quiver.engine import packed_cache, packed_file
from quiver.engine.native import NativeEngine, choose_instruction_set
from quiver.engine.native_weights import LAYOUT_VERSION, PRECISIONS, Packer
from quiver.engine.packed_file import PackedFormat

PRECISION_NAMES = tuple(PRECISIONS)
NO_CACHE = 1 << 40


@pytest.fixture(autouse=True)
def caches_small_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(packed_cache, "LEAST_BYTES", 0)


@pytest.fixture
def packings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of all matrices that are packed."""
    made: list[str] = []
    pack = Packer.pack

    def counted(self: Packer, name: str) -> Any:
        made.append(name)
        return pack(self, name)

    monkeypatch.setattr(Packer, "pack", counted)
    return made


def rows_of(folder: Path, dtype: str = "int8") -> Floats:
    engine = NativeEngine(open_checkpoint(folder), dtype)
    return plan_and_run(engine, random_sequences((1, 5, 33, 130)))[0]


def rows_from_memory(folder: Path, dtype: str = "int8") -> Floats:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packed_cache, "LEAST_BYTES", NO_CACHE)
        return rows_of(folder, dtype)


def packed_files() -> list[Path]:
    return sorted(cache_folder("packed").iterdir())


def make_packer(folder: Path, precision: str = "int8") -> Packer:
    return Packer(open_checkpoint(folder), choose_instruction_set(), precision, 1)


@pytest.mark.parametrize("dtype", PRECISION_NAMES)
def test_memory_a_new_file_and_a_mapped_file_give_the_same_bits(
    embedder_folder: Path, packings: list[str], dtype: str
) -> None:
    from_memory = rows_from_memory(embedder_folder, dtype)
    packings.clear()
    np.testing.assert_array_equal(rows_of(embedder_folder, dtype), from_memory)
    assert len(packings) == len(set(packings)) == 12
    packings.clear()
    np.testing.assert_array_equal(rows_of(embedder_folder, dtype), from_memory)
    assert packings == []


def test_a_small_model_leaves_no_file(embedder_folder: Path) -> None:
    rows_from_memory(embedder_folder)
    assert packed_files() == []


@pytest.mark.parametrize("precision", PRECISION_NAMES)
def test_the_file_is_safetensors_with_aligned_matrices(embedder_folder: Path, precision: str) -> None:
    rows_of(embedder_folder, precision)
    (file,) = packed_files()
    packer = make_packer(embedder_folder, precision)
    with safe_open(file, framework="numpy") as stored:
        assert set(stored.keys()) == set(packer.shapes)
        for name in packer.shapes:
            np.testing.assert_array_equal(stored.get_tensor(name), packer.pack(name))
    with file.open("rb") as stream:
        matrices = PackedFormat(packer).map(stream)
    assert matrices is not None
    assert all(part.ctypes.data % 64 == 0 for matrix in matrices for part in matrix[:3] if part.size)


def test_copies_share_a_file_and_precisions_do_not(embedder_folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "a copy of an embedding model"
    shutil.copytree(embedder_folder, copy)
    rows_of(embedder_folder)
    rows_of(copy)
    assert len(packed_files()) == 1
    rows_of(copy, "bfloat16")
    assert len(packed_files()) == 2


def test_a_changed_checkpoint_is_packed_anew(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "embedding")
    before = rows_of(folder)
    write_checkpoint(folder, seed=1)
    after = rows_of(folder)
    assert not np.array_equal(before, after)
    np.testing.assert_array_equal(after, rows_from_memory(folder))


def test_the_same_tensors_in_other_heads_are_packed_anew(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "embedding", num_attention_heads=4, num_key_value_heads=2)
    rows_of(folder)
    edit_json(folder / "config.json", num_attention_heads=2, num_key_value_heads=1, head_dim=32)
    for layer in range(3):
        widen_head_norms(folder, layer)
    np.testing.assert_array_equal(rows_of(folder), rows_from_memory(folder))


def widen_head_norms(folder: Path, layer: int) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    for name in [n for n in tensors if f"layers.{layer}." in n and ("q_norm" in n or "k_norm" in n)]:
        tensors[name] = torch.ones(32)
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})


def cut_short(file: Path) -> None:
    os.truncate(file, file.stat().st_size - 64)


def made_longer(file: Path) -> None:
    os.truncate(file, file.stat().st_size + 64)


def without_header(file: Path) -> None:
    with file.open("r+b") as stream:
        stream.write(b"\0" * 64)


def another_header(file: Path) -> None:
    with file.open("r+b") as stream:
        content = stream.read(4096)
        stream.seek(content.index(b'"int8"'))
        stream.write(b'"INT8"')


def writable_by_others(file: Path) -> None:
    file.chmod(0o622)


def a_link(file: Path) -> None:
    target = file.parent.parent / "elsewhere"
    file.rename(target)
    file.symlink_to(target)


@pytest.mark.parametrize(
    "spoil", [cut_short, made_longer, without_header, another_header, writable_by_others, a_link]
)
def test_a_file_that_cannot_be_trusted_is_replaced(
    embedder_folder: Path, packings: list[str], spoil: Callable[[Path], None]
) -> None:
    expected = rows_of(embedder_folder)
    (file,) = packed_files()
    whole = file.read_bytes()
    spoil(file)
    packings.clear()
    np.testing.assert_array_equal(rows_of(embedder_folder), expected)
    assert len(packings) == 12
    assert packed_files() == [file]
    assert file.read_bytes() == whole
    assert file.stat(follow_symlinks=False).st_mode & 0o777 == 0o600


START = """
import sys, time
from pathlib import Path
from quiver import _native
from quiver.engine import packed_cache, packed_file
from quiver.engine.native_weights import Packer

packed_cache.LEAST_BYTES = 0
pack, packed = Packer.pack, []

def slow(self, name):
    packed.append(name)
    time.sleep(0.05)
    return pack(self, name)

Packer.pack = slow
{before}
from tests.engine.test_packed_cache import rows_of
rows = rows_of(Path(sys.argv[1]))
print(len(packed), rows.tobytes().hex())
"""
DIES = """
import os, signal
def dies(self, name):
    if name == "layers.1.down":
        os.kill(os.getpid(), signal.SIGKILL)
    return slow(self, name)
Packer.pack = dies
"""
HANGS = """
def hangs(self, name):
    print("packing", flush=True)
    time.sleep(3600)
Packer.pack = hangs
"""


def start(folder: Path, before: str = "") -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", START.format(before=before), str(folder)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])


def finish(process: "subprocess.Popen[str]") -> list[str]:
    """How many matrices it packed, and its rows; nothing if it was killed."""
    output = process.communicate()[0].split()
    assert process.returncode == (0 if output else -signal.SIGKILL)
    return output


def test_after_a_death_in_the_middle_the_next_start_packs(embedder_folder: Path) -> None:
    assert finish(start(embedder_folder, DIES)) == []
    (partial,) = packed_files()
    assert partial.suffix == ".partial"
    np.testing.assert_array_equal(rows_of(embedder_folder), rows_from_memory(embedder_folder))
    assert [file.suffix for file in packed_files()] == [".safetensors"]


def test_processes_that_start_together_pack_once(embedder_folder: Path) -> None:
    processes = [start(embedder_folder) for _ in range(3)]
    outputs = [finish(process) for process in processes]
    assert sorted(int(packed) for packed, _ in outputs) == [0, 0, 12]
    assert {rows for _, rows in outputs} == {rows_from_memory(embedder_folder).tobytes().hex()}


def test_a_process_takes_over_from_one_that_dies(embedder_folder: Path, packings: list[str]) -> None:
    with start(embedder_folder, HANGS) as hanging:
        assert hanging.stdout is not None
        assert hanging.stdout.readline() == "packing\n"
        Timer(0.5, hanging.kill).start()
        rows = rows_of(embedder_folder)
    assert len(packings) == 12
    np.testing.assert_array_equal(rows, rows_from_memory(embedder_folder))


def test_abandoned_files_are_removed_and_others_left(embedder_folder: Path) -> None:
    abandoned, busy = (cache_folder("packed") / f"{name}.partial" for name in ("abandoned", "busy"))
    abandoned.touch()
    with create_private(busy) as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        rows_of(embedder_folder)
    assert not abandoned.exists()
    assert busy.exists()


def test_weights_that_are_not_finite_leave_nothing(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = write_checkpoint(tmp_path / "embedding")
    tensors = load_file(folder / "model.safetensors")
    next(t for name, t in tensors.items() if name.endswith("1.mlp.up_proj.weight"))[3, 5] = torch.inf
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(CheckpointError, match="not finite"):
        rows_of(folder)
    assert packed_files() == []


@pytest.fixture
def is_packed_in_memory(embedder_folder: Path, caplog: pytest.LogCaptureFixture) -> Callable[[str], None]:
    """Check that a start gives the right rows and one note that says why and what to do."""

    def check(reason: str) -> None:
        expected = rows_from_memory(embedder_folder)
        caplog.clear()
        np.testing.assert_array_equal(rows_of(embedder_folder), expected)
        (record,) = caplog.records
        assert reason in record.message
        assert "set XDG_CACHE_HOME" in record.message

    return check


def test_a_folder_that_cannot_be_made(
    is_packed_in_memory: Callable[[str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    is_packed_in_memory("Not a directory")


def test_a_folder_that_others_may_write_to(is_packed_in_memory: Callable[[str], None]) -> None:
    cache_folder("packed").chmod(0o777)
    is_packed_in_memory("others may write")


def test_a_disk_with_too_little_room(
    is_packed_in_memory: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packed_cache, "FREE_BYTES", 1 << 60)
    is_packed_in_memory("free")
    assert packed_files() == []


def test_a_process_that_packs_for_ever_is_not_waited_for(
    embedder_folder: Path, is_packed_in_memory: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packed_cache, "PATIENCE_SECONDS", 0.1)
    key = PackedFormat(make_packer(embedder_folder)).key
    with create_private(cache_folder("packed") / f"{key}.partial") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        is_packed_in_memory("too long")


def test_a_checkpoint_that_changes_meanwhile(
    is_packed_in_memory: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    digests = iter(["before", "after"])
    monkeypatch.setattr(packed_file, "contents_digest", lambda checkpoint: next(digests))
    is_packed_in_memory("changed while it was packed")
    assert packed_files() == []


def test_a_file_that_cannot_be_read_back(
    is_packed_in_memory: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PackedFormat, "map", lambda self, stream: None)
    is_packed_in_memory("cannot be read back")


@pytest.fixture
def small_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A cache on a disk of 64 kB that says it has more."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k,mode=0700", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only root may mount a disk")
    monkeypatch.setenv("XDG_CACHE_HOME", str(disk))
    monkeypatch.setattr(packed_cache, "FREE_BYTES", -(1 << 40))
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_disk_that_fills_up(small_disk: Path, is_packed_in_memory: Callable[[str], None]) -> None:
    is_packed_in_memory("No space left")
    assert packed_files() == []


def test_a_disk_that_cannot_be_written(small_disk: Path, is_packed_in_memory: Callable[[str], None]) -> None:
    cache_folder("packed")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    is_packed_in_memory("Read-only file system")


PACKED_BYTES = {
    "float32": "b90a0ec114db64df",
    "bfloat16": "f4d03c8eafd33526",
    "int8": "f469b9dca452bbf3",
}


@pytest.mark.parametrize("precision", PRECISION_NAMES)
@pytest.mark.parametrize("instruction_set", _native.instruction_sets())
def test_the_layout_has_not_changed_unnoticed(tmp_path: Path, instruction_set: str, precision: str) -> None:
    """Where this fails, raise LAYOUT_VERSION, so that files of before are not used, and note the digests."""
    folder = write_checkpoint(tmp_path / "embedding", hidden_size=40, head_dim=24, num_hidden_layers=2)
    checkpoint = open_checkpoint(folder)
    with (folder / "model.safetensors").open("r+b") as stream:
        for entry in checkpoint.tensors.values():
            stream.seek(entry.offset)
            counted = np.arange(entry.size // 4) * 7919 % 2003
            stream.write(((counted - 1001) / 1024).astype(np.float32).tobytes())
    packer = Packer(checkpoint, instruction_set, precision, 1)
    packed = hashlib.sha256(b"".join(packer.pack(name).tobytes() for name in packer.shapes))
    assert (LAYOUT_VERSION, packed.hexdigest()[:16]) == (4, PACKED_BYTES[precision])

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from quiver import Embedder
from quiver.errors import CheckpointError, InputError
from quiver.models.checkpoint import open_checkpoint
from quiver.train.merge import linear, merge, slerp
from tests.checkpoints import write_checkpoint


@settings(max_examples=50, deadline=None)
@given(angle=st.floats(0, math.pi), share=st.floats(0, 1), length=st.floats(0.1, 10))
def test_slerp_turns_by_the_share_of_the_angle(angle: float, share: float, length: float) -> None:
    first = length * torch.tensor([1.0, 0.0], dtype=torch.float64)
    second = length * torch.tensor([math.cos(angle), math.sin(angle)], dtype=torch.float64)
    x, y = slerp(first, second, share).tolist()
    if math.pi - angle > 1e-3:
        assert math.hypot(x, y) == pytest.approx(length, rel=1e-6)
        assert math.atan2(y, x) == pytest.approx(share * angle, abs=1e-5)


def test_parallel_opposite_and_zero_tensors_are_interpolated_linearly() -> None:
    a, zero = torch.tensor([3.0, 4.0]), torch.zeros(2)
    for other in (2 * a, -a, zero):
        torch.testing.assert_close(slerp(a, other, 0.25), linear(a, other, 0.25))
    torch.testing.assert_close(slerp(zero, zero, 0.5), zero.double())


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    return [write_checkpoint(tmp_path / f"model{seed}", seed=seed) for seed in range(3)]


def tensors(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def test_every_tensor_lies_between_those_of_the_checkpoints(folders: list[Path], tmp_path: Path) -> None:
    merged = tensors(merge(folders[:2], tmp_path / "out", weights=(3, 1)))
    first, second = tensors(folders[0]), tensors(folders[1])
    assert merged.keys() == first.keys()
    for name, tensor in merged.items():
        torch.testing.assert_close(tensor, slerp(first[name], second[name], 0.25).to(tensor.dtype))


def test_three_are_met_one_after_the_other(folders: list[Path], tmp_path: Path) -> None:
    merged = tensors(merge(folders, tmp_path / "out", weights=(1, 1, 2), method="linear"))
    stored = [tensors(folder) for folder in folders]
    for name, tensor in merged.items():
        expected = (stored[0][name].double() + stored[1][name] + 2 * stored[2][name].double()) / 4
        torch.testing.assert_close(tensor, expected.to(tensor.dtype), rtol=1e-5, atol=1e-6)


def test_a_merge_with_itself_gives_the_same_vectors(folders: list[Path], tmp_path: Path) -> None:
    merged = Embedder(merge([folders[0], folders[0]], tmp_path / "out"))
    before = Embedder(folders[0]).encode_query(["a", "b"])
    np.testing.assert_allclose(np.asarray(merged.encode_query(["a", "b"])), np.asarray(before), atol=1e-6)


def test_a_merge_attends_as_the_first_does(tmp_path: Path) -> None:
    folders = [write_checkpoint(tmp_path / f"model{seed}", seed=seed, is_causal=False) for seed in range(2)]
    assert not open_checkpoint(merge(folders, tmp_path / "out")).config.causal


def test_what_eight_bits_cannot_hold_is_stored_in_full(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "model", dtype=torch.float8_e4m3fn)
    merged, stored = tensors(merge([folder, folder], tmp_path / "out")), tensors(folder)
    for name, tensor in merged.items():
        assert tensor.dtype == torch.float32
        torch.testing.assert_close(tensor, stored[name].to(torch.float32))


def test_what_cannot_be_merged_is_refused(folders: list[Path], tmp_path: Path) -> None:
    wide = write_checkpoint(tmp_path / "wide", hidden_size=128)
    with pytest.raises(CheckpointError, match="shapes"):
        merge([folders[0], wide], tmp_path / "out")
    both_ways = write_checkpoint(tmp_path / "both-ways", is_causal=False)
    with pytest.raises(CheckpointError, match="both ways"):
        merge([folders[0], both_ways], tmp_path / "out")
    with pytest.raises(InputError, match="weights"):
        merge(folders, tmp_path / "out", weights=(1, 1))
    with pytest.raises(InputError, match="two"):
        merge(folders[:1], tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(FileExistsError, match="not empty"):
        merge(folders, folders[2])

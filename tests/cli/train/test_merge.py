from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.checkpoints import write_checkpoint
from tests.cli.conftest import Shell


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    return [write_checkpoint(tmp_path / f"model-embedding-{seed}", seed=seed) for seed in range(2)]


def test_merge_by_weights(shell: Shell, folders: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "merged"
    run = shell("train", "merge", *folders, "--out", out, "--weights", "3,1", "--method", "linear")
    assert (run.code, run.out) == (0, "")
    assert run.err.endswith(f"2 checkpoints merged into {out}\n")
    stored = [load_file(folder / "model.safetensors") for folder in (*folders, out)]
    for name, merged in stored[2].items():
        torch.testing.assert_close(merged, 0.75 * stored[0][name] + 0.25 * stored[1][name])


def test_what_cannot_be_merged_is_one_line(shell: Shell, folders: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "merged"
    assert shell("train", "merge", *folders).code == 2
    assert shell("train", "merge", *folders, "--out", out, "--weights", "a,b").code == 2
    for arguments, reason in (
        ([folders[0], "--out", out], "two checkpoints"),
        ([*folders, "--out", out, "--weights", "1"], "2 weights"),
        ([*folders, "--out", folders[0]], "is not empty"),
    ):
        run = shell("train", "merge", *arguments)
        assert run.code == 1
        assert run.err.startswith("error: ")
        assert reason in run.err

"""Two processes of torchrun: they exchange gradients, shard weights and write one model."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from quiver import Embedder
from quiver.train.rows import write_rows
from tests.train.rows import make_rows

LATE = """
import os, time
from quiver.cli.main import main
from quiver.train import learn

claim = learn._claim

def claim_late(run):
    time.sleep(2 if os.environ["RANK"] == "0" else 0)
    claim(run)

learn._claim = claim_late
main()
"""
"""The command, where the process that claims the folder comes to it last"""


@pytest.mark.parametrize(
    "options",
    [(), ("--fsdp",), ("--lora-rank", "4"), ("--last-layers", "2")],
    ids=["ddp", "fsdp", "lora", "last layers"],
)
def test_two_processes_train_one_model(
    embedder_folder: Path, tmp_path: Path, options: tuple[str, ...]
) -> None:
    pruned = shutil.copytree(embedder_folder, tmp_path / "pruned")
    base = load_file(pruned / "model.safetensors")
    base["layers.2.mlp.up_proj.weight"][::3] = 0
    save_file(base, pruned / "model.safetensors", metadata={"format": "pt"})
    rows = tmp_path / "rows.jsonl"
    write_rows(rows, make_rows(40, negatives=2))
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    late = tmp_path / "late.py"
    late.write_text(LATE)
    command = [late, "train", "embedder", rows, "--out", tmp_path / "out", "-m", pruned]
    settings = ["--max-steps", 4, "--batch-size", 4, "--token-budget", 100, "--learning-rate", 0.002]
    run = subprocess.run(
        list(map(str, [*torchrun, *command, *settings, "--evaluate", rows, "--quiet", *options])),
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.count("nDCG@10") == 1
    report = json.loads((tmp_path / "out" / "training.json").read_text())
    assert (report["steps"], report["moved"] > 0) == (4, True)
    before, after = (
        weights["layers.2.mlp.up_proj.weight"]
        for weights in (base, load_file(tmp_path / "out" / "model.safetensors"))
    )
    assert not torch.equal(before, after)
    if "--lora-rank" not in options:
        assert torch.equal(after == 0, before == 0)
    assert Embedder(tmp_path / "out").encode_query("Why?").shape == (64,)

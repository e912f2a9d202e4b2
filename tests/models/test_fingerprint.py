import dataclasses
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from quiver import Embedder
from quiver.errors import FingerprintMismatch
from quiver.models.checkpoint import open_checkpoint
from quiver.models.fingerprint import Fingerprint, weights_digest
from tests.checkpoints import edit_json, write_checkpoint

EXAMPLE = Fingerprint(
    weights="w", tokenizer="t", pooling="last-token", prompts="p", dimension=64, precision="float32"
)


def test_it_survives_being_written_down() -> None:
    assert Fingerprint.parse(str(EXAMPLE)) == EXAMPLE


@pytest.mark.parametrize("text", ["", "quiver1:a:b", "quiver9:w:t:l:p:64:float32", "quiver1:w:t:l:p:many:f"])
def test_what_is_no_fingerprint_is_refused(text: str) -> None:
    with pytest.raises(FingerprintMismatch, match="is no fingerprint"):
        Fingerprint.parse(text)


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(Fingerprint)])
def test_a_mismatch_names_what_differs(field: str) -> None:
    change: dict[str, Any] = {field: 32 if field == "dimension" else "other"}
    other = dataclasses.replace(EXAMPLE, **change)
    with pytest.raises(FingerprintMismatch, match=field):
        EXAMPLE.check(other)
    EXAMPLE.check(dataclasses.replace(EXAMPLE))


def test_weights_are_told_apart_but_not_their_files(tmp_path: Path) -> None:
    whole = weights_digest(open_checkpoint(write_checkpoint(tmp_path / "a-embedding")))
    sharded = weights_digest(
        open_checkpoint(write_checkpoint(tmp_path / "b-embedding", max_shard_size="50KB"))
    )
    other = weights_digest(open_checkpoint(write_checkpoint(tmp_path / "c-embedding", seed=1)))
    narrow = weights_digest(open_checkpoint(write_checkpoint(tmp_path / "d-embedding", dtype=torch.bfloat16)))
    both_ways = weights_digest(open_checkpoint(write_checkpoint(tmp_path / "e-embedding", is_causal=False)))
    assert whole == sharded
    assert len({whole, other, narrow, both_ways}) == 4


def test_every_setting_that_moves_vectors_shows(embedder_folder: Path, tmp_path: Path) -> None:
    prompted = tmp_path / "prompted-embedding"
    shutil.copytree(embedder_folder, prompted)
    edit_json(prompted / "config_sentence_transformers.json", prompts={"query": "q: ", "document": ""})
    variants = [
        Embedder(embedder_folder, device="cpu", dtype="float32"),
        Embedder(embedder_folder, device="cpu", dtype="bfloat16"),
        Embedder(embedder_folder, device="cpu", dtype="float32", truncate_dim=32),
        Embedder(embedder_folder, device="cpu", dtype="float32", parse_special_tokens=True),
        Embedder(prompted, device="cpu", dtype="float32"),
    ]
    assert len({variant.fingerprint for variant in variants}) == len(variants)

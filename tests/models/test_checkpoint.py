"""Every way a model's files can be wrong gives one clear error."""

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from quiver.errors import CheckpointError, ModelKindError
from quiver.models.checkpoint import open_checkpoint
from tests.checkpoints import edit_json, write_checkpoint

Damage = Callable[[Path], object]


def change_tensors(change: Callable[[dict[str, torch.Tensor]], object]) -> Damage:
    def damage(folder: Path) -> None:
        tensors = load_file(folder / "model.safetensors")
        change(tensors)
        save_file(tensors, folder / "model.safetensors", {"format": "pt"})

    return damage


def truncate(file: str, size: int) -> Damage:
    return lambda folder: os.truncate(folder / file, size)


def overwrite(file: str, content: bytes) -> Damage:
    return lambda folder: (folder / file).write_bytes(content)


def remove(file: str) -> Damage:
    return lambda folder: (folder / file).unlink()


def config(**changes: object) -> Damage:
    return lambda folder: edit_json(folder / "config.json", **changes)


def overwrite_config_number(literal: bytes) -> Damage:
    """Put a literal that json.dumps would not write in the place of num_hidden_layers."""

    def damage(folder: Path) -> None:
        path = folder / "config.json"
        path.write_bytes(re.sub(rb'("num_hidden_layers": )\d+', rb"\g<1>" + literal, path.read_bytes()))

    return damage


DAMAGES: dict[str, tuple[Damage, str]] = {
    "no config": (remove("config.json"), "is no checkpoint"),
    "no weights": (remove("model.safetensors"), "neither model.safetensors nor"),
    "config is no JSON": (overwrite("config.json", b"{"), "malformed"),
    "config nests without end": (overwrite("config.json", b"[" * 100_000), "malformed"),
    "config has infinite layers": (overwrite_config_number(b"Infinity"), "malformed"),
    "config claims a billion layers": (config(num_hidden_layers=10**9), "no model has over"),
    "a rope of nothing": (config(rope_parameters={"rope_theta": -1.0}), "must be positive"),
    "config is a list": (overwrite("config.json", b"[]"), "JSON object"),
    "config lacks a size": (config(hidden_size=None), "hidden_size"),
    "config has a word for a size": (config(num_hidden_layers="many"), "malformed"),
    "config has a zero size": (config(head_dim=-2), "head_dim is -2"),
    "another architecture": (
        config(architectures=["BertModel"], model_type="bert"),
        "architecture is BertModel",
    ),
    "a mixture of experts": (config(architectures=["Qwen3MoeForCausalLM"]), "Qwen3MoeForCausalLM"),
    "sliding windows": (config(use_sliding_window=True), "use_sliding_window"),
    "a retriever that counts against": (config(retrieval_weight=-1), "retrieval_weight is -1.0"),
    "a retriever that counts for ever": (config(retrieval_weight=1e999), "retrieval_weight is inf"),
    "attention neither one way nor both": (config(is_causal="no"), "is_causal is 'no'"),
    "biased attention": (config(attention_bias=True), "attention_bias"),
    "quantised": (config(quantization_config={"bits": 4}), "quantization_config"),
    "unknown rope": (config(rope_parameters={"rope_type": "spiral"}), "rope type 'spiral'"),
    "more layers than weights": (config(num_hidden_layers=4), "lacks tensors layers.3"),
    "fewer layers than weights": (config(num_hidden_layers=2), "has unknown tensors layers.2"),
    "another width": (config(intermediate_size=97), "shape"),
    "a missing tensor": (change_tensors(lambda t: t.pop("norm.weight")), "lacks tensor norm.weight"),
    "an extra tensor": (
        change_tensors(lambda t: t.update({"adapter.weight": torch.zeros(2)})),
        "unknown tensor adapter.weight",
    ),
    "a mis-shaped tensor": (
        change_tensors(lambda t: t.update({"norm.weight": torch.zeros(3)})),
        r"norm.weight has shape \(3,\).*\(64,\)",
    ),
    "integer weights": (
        change_tensors(lambda t: t.update({"norm.weight": torch.zeros(64, dtype=torch.int8)})),
        "stored as I8",
    ),
    "cut short": (truncate("model.safetensors", 5000), "corrupt or incomplete"),
    "cut by one byte": (
        lambda f: os.truncate(f / "model.safetensors", size_of(f) - 1),
        "corrupt or incomplete",
    ),
    "empty weights": (truncate("model.safetensors", 0), "corrupt or incomplete"),
    "an error page": (overwrite("model.safetensors", b"<html>404</html>" * 9), "corrupt or incomplete"),
    "a header of 2**62 bytes": (
        overwrite("model.safetensors", b"\0" * 7 + b"\x40{}"),
        "corrupt or incomplete",
    ),
    "mean pooling": (
        lambda f: edit_json(f / "1_Pooling/config.json", pooling_mode_mean_tokens=True),
        "pool the last token",
    ),
    "a dense layer behind": (
        lambda f: (f / "modules.json").write_text(
            json.dumps([{"type": "x.Transformer"}, {"type": "x.Pooling"}, {"type": "x.Dense"}])
        ),
        "adds Dense",
    ),
    "modules.json is no JSON": (overwrite("modules.json", b"\xff"), "malformed"),
}


def size_of(folder: Path) -> int:
    return (folder / "model.safetensors").stat().st_size


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_named(embedder_folder: Path, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "model"
    shutil.copytree(embedder_folder, folder)
    damage, message = DAMAGES[name]
    damage(folder)
    with pytest.raises(CheckpointError, match=message):
        open_checkpoint(folder, "embedder")


def test_pickled_weights_are_never_loaded(embedder_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(embedder_folder, folder)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match="can hold code and is never loaded"):
        open_checkpoint(folder)


def test_shards_are_one_model(tmp_path: Path) -> None:
    whole = open_checkpoint(write_checkpoint(tmp_path / "whole-embedding"))
    sharded = open_checkpoint(write_checkpoint(tmp_path / "sharded-embedding", max_shard_size="50KB"))
    assert len({entry.file for entry in sharded.tensors.values()}) > 1
    assert {n: e.shape for n, e in whole.tensors.items()} == {n: e.shape for n, e in sharded.tensors.items()}


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "embedding", max_shard_size="50KB")
    shard = sorted(folder.glob("model-*.safetensors"))[1]
    shard.unlink()
    with pytest.raises(CheckpointError, match=f"{shard.name}, which is absent"):
        open_checkpoint(folder)


@pytest.mark.parametrize(
    "index", [b"{}", b"[]", b'{"weight_map": {}}', b'{"weight_map": {"norm.weight": "../../etc/passwd"}}']
)
def test_a_hostile_index_is_refused(embedder_folder: Path, tmp_path: Path, index: bytes) -> None:
    folder = tmp_path / "model"
    shutil.copytree(embedder_folder, folder)
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_bytes(index)
    with pytest.raises(CheckpointError, match=r"index\.json"):
        open_checkpoint(folder)


def test_names_go_without_their_prefix(tmp_path: Path) -> None:
    bare = open_checkpoint(write_checkpoint(tmp_path / "bare-embedding"))
    prefixed = open_checkpoint(write_checkpoint(tmp_path / "prefixed-embedding", causal=True, tied=False))
    assert set(prefixed.tensors) - set(bare.tensors) == {"lm_head.weight"}
    assert prefixed.tensors["norm.weight"].stored_name == "model.norm.weight"


@pytest.mark.parametrize(
    ("kind", "tied", "head"),
    [
        ("reranker", True, "embed_tokens.weight"),
        ("reranker", False, "lm_head.weight"),
        ("embedding", True, None),
    ],
)
def test_where_the_head_lies(tmp_path: Path, kind: str, tied: bool, head: str | None) -> None:
    assert open_checkpoint(write_checkpoint(tmp_path / "model", kind, tied=tied)).head == head


def test_an_untied_reranker_needs_its_head(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "model", "reranker", tied=True)
    edit_json(folder / "config.json", tie_word_embeddings=False)
    with pytest.raises(CheckpointError, match=r"lacks tensor lm_head\.weight"):
        open_checkpoint(folder)


def test_each_kind_refuses_the_others_work(embedder_folder: Path, reranker_folder: Path) -> None:
    with pytest.raises(ModelKindError, match=r"is a reranker and gives no vectors; use it with Reranker"):
        open_checkpoint(reranker_folder, "embedder")
    with pytest.raises(ModelKindError, match=r"is an embedder and gives no scores; use it with Embedder"):
        open_checkpoint(embedder_folder, "reranker")

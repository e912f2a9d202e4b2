"""The packed forward pass against transformers on the same random weights."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import Qwen3ForCausalLM, Qwen3Model

from quiver.engine.base import Batch
from quiver.engine.execute import plan_and_run
from quiver.engine.torch import TorchEngine
from quiver.engine.torch_device import Precision, resolve_precision
from quiver.errors import CheckpointError, DeviceError
from quiver.models.checkpoint import open_checkpoint
from quiver.text.tokenizer import TokenIds
from tests.checkpoints import edit_json, write_checkpoint, write_mixed_types
from tests.engine.oracle import cosines, random_sequences, reference_rows

CPU_FLOAT32 = resolve_precision("cpu", "float32")
LENGTHS = (1, 2, 3, 3, 3, 17, 64, 65, 300)


def engine_of(folder: Path, precision: Precision = CPU_FLOAT32, **options: Any) -> TorchEngine:
    return TorchEngine(open_checkpoint(folder), precision, **options)


def pack(sequences: list[TokenIds]) -> Batch:
    boundaries = np.cumsum([0, *map(len, sequences)], dtype=np.int64)
    return Batch(np.concatenate(sequences), boundaries, [None] * len(sequences))


def test_packed_rows_are_transformers_rows(embedder_folder: Path) -> None:
    sequences = random_sequences(LENGTHS)
    rows, usage = plan_and_run(engine_of(embedder_folder), sequences)
    np.testing.assert_allclose(rows, reference_rows(embedder_folder, sequences), atol=2e-5)
    assert usage.tokens_computed == sum(LENGTHS)


@pytest.mark.parametrize(
    "shape",
    [
        {"num_attention_heads": 4, "num_key_value_heads": 4, "head_dim": 32},
        {"num_attention_heads": 6, "num_key_value_heads": 1, "head_dim": 8},
        {"hidden_size": 48, "num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 24},
        {"num_hidden_layers": 1},
    ],
)
def test_any_shape_of_the_architecture(tmp_path: Path, shape: dict[str, Any]) -> None:
    folder = write_checkpoint(tmp_path / "model", "embedding", **shape)
    rows, _ = plan_and_run(engine_of(folder), random_sequences(LENGTHS))
    np.testing.assert_allclose(rows, reference_rows(folder, random_sequences(LENGTHS)), atol=2e-5)


@pytest.mark.parametrize(
    "rope",
    [
        {"rope_type": "default", "rope_theta": 1e6},
        {"rope_type": "linear", "rope_theta": 1e4, "factor": 4.0},
        {"rope_type": "yarn", "rope_theta": 1e4, "factor": 4.0, "original_max_position_embeddings": 64},
    ],
)
def test_rotary_settings_in_the_old_and_the_new_form(tmp_path: Path, rope: dict[str, Any]) -> None:
    folder = write_checkpoint(tmp_path / "model", rope_parameters=rope)
    sequences = random_sequences(LENGTHS)
    expected = reference_rows(folder, sequences)
    np.testing.assert_allclose(plan_and_run(engine_of(folder), sequences)[0], expected, atol=2e-5)
    scaling = {("type" if key == "rope_type" else key): v for key, v in rope.items() if key != "rope_theta"}
    old = {
        "rope_theta": rope["rope_theta"],
        "rope_scaling": None if rope["rope_type"] == "default" else scaling,
    }
    edit_json(folder / "config.json", rope_parameters=None, **old)
    np.testing.assert_allclose(plan_and_run(engine_of(folder), sequences)[0], expected, atol=2e-5)


def test_shared_prefixes_change_nothing(embedder_folder: Path) -> None:
    rng = np.random.default_rng(1)
    stem = rng.integers(0, 300, 40)
    branches = [np.concatenate([stem, rng.integers(0, 300, 25)]) for _ in range(3)]
    sequences = [
        np.concatenate([branch, rng.integers(0, 300, size)]).astype(np.int32)
        for branch in (stem, *branches)
        for size in (1, 5, 5, 30)
    ]
    rows, usage = plan_and_run(engine_of(embedder_folder), sequences)
    assert usage.tokens_saved > 400
    np.testing.assert_allclose(rows, reference_rows(embedder_folder, sequences), atol=2e-5)


@pytest.mark.parametrize("token_budget", [1, 16, 100, 10_000])
def test_the_token_budget_changes_nothing(embedder_folder: Path, token_budget: int) -> None:
    sequences = random_sequences(LENGTHS)
    rows, _ = plan_and_run(engine_of(embedder_folder, token_budget=token_budget), sequences)
    usual, _ = plan_and_run(engine_of(embedder_folder), sequences)
    np.testing.assert_allclose(rows, usual, atol=1e-5)


def test_a_sequence_is_alone_with_its_batch_mates(embedder_folder: Path) -> None:
    engine = engine_of(embedder_folder)
    sequences = random_sequences(LENGTHS)
    together, _ = plan_and_run(engine, sequences)
    backwards, _ = plan_and_run(engine, sequences[::-1])
    alone = np.concatenate([plan_and_run(engine, [sequence])[0] for sequence in sequences])
    np.testing.assert_allclose(together, backwards[::-1], atol=1e-5)
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_any_rows_can_be_asked_for(embedder_folder: Path) -> None:
    sequences = random_sequences((5, 9))
    model = Qwen3Model.from_pretrained(embedder_folder, dtype=torch.float32).eval()
    with torch.no_grad():
        states = [model(torch.tensor(s[None].astype(np.int64))).last_hidden_state[0] for s in sequences]
    wanted = np.asarray([0, 4, 7, 13])
    rows = engine_of(embedder_folder).run(pack(sequences), wanted)
    np.testing.assert_allclose(rows, torch.cat(states).numpy()[wanted], atol=2e-5)


@pytest.mark.parametrize("tied", [True, False])
def test_the_head_gives_the_logits_of_two_tokens(tmp_path: Path, tied: bool) -> None:
    folder = write_checkpoint(tmp_path / "model", "reranker", tied=tied)
    sequences = random_sequences(LENGTHS)
    logits, _ = plan_and_run(engine_of(folder, answer_ids=(7, 3)), sequences)
    model = Qwen3ForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.no_grad():
        whole = [model(torch.tensor(s[None].astype(np.int64))).logits[0, -1] for s in sequences]
    np.testing.assert_allclose(logits, torch.stack(whole).numpy()[:, [7, 3]], atol=5e-5)


@pytest.mark.parametrize("stored", [torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_file_types_and_precisions_combine(tmp_path: Path, stored: torch.dtype, dtype: str) -> None:
    folder = write_checkpoint(tmp_path / "model", dtype=stored)
    sequences = random_sequences(LENGTHS)
    engine = engine_of(folder, resolve_precision("cpu", dtype))
    rows, _ = plan_and_run(engine, sequences)
    assert cosines(rows, reference_rows(folder, sequences)).min() > 0.999
    assert engine.precision.startswith(dtype)


def test_types_may_differ_from_tensor_to_tensor(tmp_path: Path) -> None:
    folder, sequences = write_mixed_types(tmp_path / "model"), random_sequences(LENGTHS)
    rows, _ = plan_and_run(engine_of(folder), sequences)
    np.testing.assert_allclose(rows, reference_rows(folder, sequences), atol=2e-5)


def test_products_in_bfloat16_stay_close(embedder_folder: Path) -> None:
    """What a processor with bfloat16 units runs, on any processor."""
    native = Precision(torch.device("cpu"), torch.bfloat16, torch.bfloat16)
    engine = engine_of(embedder_folder, native)
    sequences = random_sequences(LENGTHS)
    rows, _ = plan_and_run(engine, sequences)
    assert engine.precision == "bfloat16"
    assert cosines(rows, reference_rows(embedder_folder, sequences)).min() > 0.999


def test_working_memory_is_given_back_after_a_long_text(embedder_folder: Path) -> None:
    engine = engine_of(embedder_folder, token_budget=64)
    plan_and_run(engine, random_sequences((1000,)))
    held = {name: flat.shape[0] for name, flat in engine._buffers._flat.items()}
    assert "qkv" not in held
    assert "hidden" not in held


def test_a_token_outside_the_vocabulary_is_an_error(embedder_folder: Path) -> None:
    with pytest.raises(CheckpointError, match="outside the model's vocabulary"):
        plan_and_run(engine_of(embedder_folder), [np.asarray([100_000], dtype=np.int32)])


@pytest.mark.parametrize(
    ("device", "dtype"), [("cuda:99", "auto"), ("tpu", "auto"), ("meta", "auto"), ("cpu", "int3")]
)
def test_absent_devices_and_unknown_types_are_refused(device: str, dtype: str) -> None:
    with pytest.raises(DeviceError):
        resolve_precision(device, dtype)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")
def test_cuda_gives_the_same_rows(embedder_folder: Path) -> None:
    engine = engine_of(embedder_folder, resolve_precision("cuda", "float32"))
    rows, _ = plan_and_run(engine, random_sequences(LENGTHS))
    np.testing.assert_allclose(rows, reference_rows(embedder_folder, random_sequences(LENGTHS)), atol=1e-4)

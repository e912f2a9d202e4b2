"""The native engine: transformers' rows, and the same bits in any company."""

import multiprocessing
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import Qwen3ForCausalLM

from quiver import Embedder
from quiver.engine.base import Batch, Floats
from quiver.engine.execute import plan_and_run, plan_steps
from quiver.engine.open import LocalBackend, open_engine
from quiver.errors import CheckpointError, DeviceError, InputError
from quiver.models.checkpoint import open_checkpoint
from quiver.text.tokenizer import TokenIds
from tests.checkpoints import write_checkpoint, write_mixed_types
from tests.engine.oracle import cosines, random_sequences, reference_rows

native = pytest.importorskip("quiver.engine.native", reason="no extension here", exc_type=ImportError)
NativeEngine = native.NativeEngine

NOTES = Path(__file__).parents[2] / "examples" / "documents" / "git.txt"
LENGTHS = (1, 2, 3, 3, 31, 32, 33, 64, 65, 127, 128, 129, 300)


def rows_of(folder: Path, sequences: list[TokenIds], dtype: str = "float32") -> Floats:
    return plan_and_run(NativeEngine(open_checkpoint(folder), dtype), sequences)[0]


@pytest.mark.parametrize(
    "shape",
    [
        {},
        {"num_attention_heads": 4, "num_key_value_heads": 4, "head_dim": 32},
        {"num_attention_heads": 6, "num_key_value_heads": 1, "head_dim": 8},
        {"hidden_size": 48, "num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 24},
        {"hidden_size": 40, "intermediate_size": 72, "head_dim": 128},
        {"num_hidden_layers": 1},
        {"rope_parameters": {"rope_type": "linear", "rope_theta": 1e4, "factor": 2.0}},
    ],
)
def test_rows_are_transformers_rows(tmp_path: Path, shape: dict[str, Any]) -> None:
    folder = write_checkpoint(tmp_path / "model", **shape)
    sequences = random_sequences(LENGTHS)
    np.testing.assert_allclose(rows_of(folder, sequences), reference_rows(folder, sequences), atol=2e-5)


@pytest.mark.parametrize("stored", [torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn])
def test_weights_of_every_stored_type_are_read(tmp_path: Path, stored: torch.dtype) -> None:
    folder = write_checkpoint(tmp_path / "model", dtype=stored)
    sequences = random_sequences(LENGTHS)
    np.testing.assert_allclose(rows_of(folder, sequences), reference_rows(folder, sequences), atol=2e-5)


@pytest.mark.parametrize(
    ("stored", "precision"),
    [
        (torch.float32, "float32"),
        (torch.float16, "float32"),
        (torch.bfloat16, "bfloat16"),
        (torch.float8_e4m3fn, "bfloat16"),
    ],
)
def test_auto_is_the_narrowest_type_that_loses_nothing(
    tmp_path: Path, stored: torch.dtype, precision: str
) -> None:
    engine = NativeEngine(open_checkpoint(write_checkpoint(tmp_path / "model", dtype=stored)), "auto")
    assert engine.precision.partition("+")[0] == precision


def test_types_may_differ_from_tensor_to_tensor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight bits beside wider ones: bfloat16 holds all of them, so widened it gives the bits of float32."""
    folder, sequences = write_mixed_types(tmp_path / "model"), random_sequences(LENGTHS)
    rows = rows_of(folder, sequences)
    np.testing.assert_allclose(rows, reference_rows(folder, sequences), atol=2e-5)
    monkeypatch.setenv("QUIVER_ISA", "avx2")
    engine = NativeEngine(open_checkpoint(folder), "auto")
    assert engine.precision == "bfloat16+float32"
    np.testing.assert_array_equal(plan_and_run(engine, sequences)[0], rows_of(folder, sequences))


@pytest.mark.parametrize("dtype", ["bfloat16", "int8"])
def test_narrow_precisions_stay_close_on_the_built_in_model(dtype: str) -> None:
    texts = NOTES.read_text().splitlines()
    wide, narrow = (np.asarray(Embedder(dtype=d).encode_document(texts)) for d in ("float32", dtype))
    assert cosines(wide, narrow).mean() >= 0.9995


def test_what_is_stored_in_eight_bits_is_not_rounded_again() -> None:
    texts = NOTES.read_text().splitlines()[:3]
    asked, plain = Embedder(dtype="int8"), Embedder(dtype="bfloat16")
    assert asked.precision == plain.precision
    assert asked.fingerprint == plain.fingerprint
    np.testing.assert_array_equal(asked.encode_document(texts), plain.encode_document(texts))


def test_logits_are_those_of_the_whole_vocabulary(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "model", "reranker", tied=False)
    sequences = random_sequences(LENGTHS)
    logits, _ = plan_and_run(NativeEngine(open_checkpoint(folder), "float32", answer_ids=(11, 7)), sequences)
    model = Qwen3ForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.no_grad():
        expected = [model(torch.tensor(s[None].astype(np.int64))).logits[0, -1, [11, 7]] for s in sequences]
    np.testing.assert_allclose(logits, torch.stack(expected).numpy(), atol=2e-5)


@settings(max_examples=40, deadline=None)
@given(
    tails=st.lists(st.integers(1, 150), min_size=1, max_size=8),
    prefix=st.integers(0, 140),
    budget=st.integers(1, 600),
    dtype=st.sampled_from(["float32", "bfloat16", "int8"]),
    seed=st.integers(0, 9),
)
def test_a_text_gives_the_same_bits_in_any_company(
    tails: list[int], prefix: int, budget: int, dtype: str, seed: int
) -> None:
    """Alone, in any batch, behind a shared prefix or not, under any token budget."""
    (shared,) = random_sequences((prefix,), seed)
    sequences = [np.concatenate([shared, tail]) for tail in random_sequences(tuple(tails), seed + 1)]
    engine = NativeEngine(open_checkpoint(None, "embedder"), dtype, token_budget=budget)
    together, _ = plan_and_run(engine, sequences)
    for sequence, row in zip(sequences, together, strict=True):
        alone, _ = plan_and_run(engine, [sequence])
        np.testing.assert_array_equal(alone[0], row)


@pytest.mark.parametrize("step_tokens", [1, 20, 100])
def test_a_text_gives_the_same_bits_in_steps(embedder_folder: Path, step_tokens: int) -> None:
    sequences = random_sequences(LENGTHS)
    sequences += [np.concatenate([sequences[-1], each]) for each in sequences[:5]]
    engine = NativeEngine(open_checkpoint(embedder_folder), "float32")
    whole, usage = plan_and_run(engine, sequences)
    steps = plan_steps(engine, sequences, step_tokens)
    for ended in steps:
        assert np.array_equal(np.reshape(ended.rows, (-1, whole.shape[1])), whole[list(ended.sequences)])
    assert steps.usage == usage


def test_batches_of_many_short_and_some_long_texts_are_the_same_too(embedder_folder: Path) -> None:
    """More texts and longer ones than go through a layer together."""
    sequences = random_sequences((1, 2, 3) * 200 + (2100, 40, 1500, 700))
    engine = NativeEngine(open_checkpoint(embedder_folder), "float32", token_budget=10_000)
    together, _ = plan_and_run(engine, sequences)
    for index in (0, 1, 2, 300, 599, 600, 601, 602, 603):
        alone, _ = plan_and_run(engine, [sequences[index]])
        np.testing.assert_array_equal(alone[0], together[index])


@pytest.mark.parametrize("threads", [2, 5])
def test_the_number_of_threads_changes_no_bit(threads: int) -> None:
    sequences, checkpoint = random_sequences(LENGTHS), open_checkpoint(None, "embedder")
    one, many = (
        plan_and_run(NativeEngine(checkpoint, "float32", threads=n), sequences)[0] for n in (1, threads)
    )
    np.testing.assert_array_equal(one, many)


def test_threads_are_those_asked_for_in_the_call_else_in_the_environment(
    embedder_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    checkpoint = open_checkpoint(embedder_folder)
    assert "3 threads" in NativeEngine(checkpoint, "float32").device
    assert "1 thread)" in NativeEngine(checkpoint, "float32", threads=1).device
    with pytest.raises(InputError, match="threads"):
        open_engine(checkpoint, device=None, dtype="auto", threads=0, token_budget=None)


def test_wanted_rows_may_come_in_any_order_and_twice(embedder_folder: Path) -> None:
    sequences = random_sequences((5, 40))
    batch = Batch(np.concatenate(sequences), np.array([0, 5, 45]), [None, None])
    engine = NativeEngine(open_checkpoint(embedder_folder), "float32")
    rows = engine.run(batch, np.array([44, 0, 44, 4]))
    expected = reference_rows(embedder_folder, [sequences[1], sequences[0][:1], sequences[1], sequences[0]])
    np.testing.assert_allclose(rows, expected, atol=2e-5)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_has_threads_of_its_own() -> None:
    engine = NativeEngine(open_checkpoint(None, "embedder"), "float32")
    sequences = random_sequences((200, 100))
    before, _ = plan_and_run(engine, sequences)
    _CHILD[:] = [engine, sequences]
    with multiprocessing.get_context("fork").Pool(1) as pool:
        in_child = pool.apply(_run_in_child)
    np.testing.assert_array_equal(in_child, before)


_CHILD: list[Any] = []


def _run_in_child() -> Floats:
    engine, sequences = _CHILD
    return plan_and_run(engine, sequences)[0]


def test_the_built_in_models_run_without_torch() -> None:
    code = (
        "import sys; from quiver import Embedder, Reranker; Embedder().encode_query('a');"
        "Reranker().predict([('a', 'b')]); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("options", "reason"),
    [({"device": "cuda"}, "not on cuda"), ({"dtype": "float16"}, "no float16")],
)
def test_what_it_cannot_do_is_said(embedder_folder: Path, options: dict[str, str], reason: str) -> None:
    given: dict[str, Any] = {"device": None, "dtype": "auto"} | options
    with pytest.raises(DeviceError, match=reason):
        open_engine(open_checkpoint(embedder_folder), backend="native", token_budget=None, **given)


def test_an_instruction_set_can_be_chosen(embedder_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint, sequences = open_checkpoint(embedder_folder), random_sequences(LENGTHS)
    expected = reference_rows(embedder_folder, sequences)
    for name in native._native.instruction_sets():
        monkeypatch.setenv("QUIVER_ISA", name)
        found, _ = plan_and_run(NativeEngine(checkpoint, "float32"), sequences)
        np.testing.assert_allclose(found, expected, atol=2e-5)
    monkeypatch.setenv("QUIVER_ISA", "mmx")
    with pytest.raises(DeviceError, match=r"mmx.*avx2"):
        NativeEngine(checkpoint, "float32")


def test_where_torch_is_absent_the_extra_is_named(
    embedder_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    for name in [name for name in sys.modules if name.startswith("quiver.engine.torch")]:
        monkeypatch.delitem(sys.modules, name)
    checkpoint = open_checkpoint(embedder_folder)
    with pytest.raises(DeviceError, match=r"float16.*quiver-embed\[torch\]"):
        open_engine(checkpoint, device=None, dtype="float16", token_budget=None)


@pytest.mark.parametrize(("backend", "name"), [("auto", "NativeEngine"), ("torch", "TorchEngine")])
def test_it_is_the_default(embedder_folder: Path, backend: LocalBackend, name: str) -> None:
    checkpoint = open_checkpoint(embedder_folder)
    engine = open_engine(checkpoint, backend=backend, device=None, dtype="auto", token_budget=None)
    assert type(engine).__name__ == name


def test_an_unknown_backend_is_refused(embedder_folder: Path) -> None:
    checkpoint = open_checkpoint(embedder_folder)
    unknown: Any = "onnx"
    with pytest.raises(InputError, match="onnx"):
        open_engine(checkpoint, backend=unknown, device=None, dtype="auto", token_budget=None)


def test_a_token_outside_the_vocabulary_is_refused(embedder_folder: Path) -> None:
    engine = NativeEngine(open_checkpoint(embedder_folder), "float32")
    with pytest.raises(CheckpointError, match="vocabulary"):
        plan_and_run(engine, [np.array([10**6], dtype=np.int32)])


def test_heads_wider_than_a_task_go_to_torch(tmp_path: Path) -> None:
    checkpoint = open_checkpoint(write_checkpoint(tmp_path / "model", head_dim=1024))
    engine = open_engine(checkpoint, device="cpu", dtype="auto", token_budget=None)
    assert type(engine).__name__ == "TorchEngine"

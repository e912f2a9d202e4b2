"""The vLLM engine. What runs vLLM itself is skipped where it is absent: it needs an environment of its own.

``python -m benchmarks.engine_parity --engines vllm`` compares long texts, all sizes and whole models.
"""

import os
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from quiver import Embedder, Reranker, Vllm
from quiver.errors import CheckpointError, DeviceError, InputError, TooLongError
from tests.checkpoints import write_checkpoint
from tests.test_true_shapes import COMMON, SHAPES, TEXTS

HAS_VLLM = find_spec("vllm") is not None
with_vllm = pytest.mark.skipif(not HAS_VLLM, reason="vLLM is not installed here; see docs/vllm.md")
warns_a_lot = pytest.mark.filterwarnings("ignore")

MIN_COSINE = 0.999
LARGEST_DIFFERENCE = 0.01
LONGEST = 2048


@pytest.mark.skipif(HAS_VLLM, reason="vLLM is installed here")
def test_without_vllm_it_says_what_to_install(embedder_folder: Path) -> None:
    with pytest.raises(InputError, match=r"backend='vllm' needs vLLM .*quiver-embed\[vllm\]"):
        Embedder(embedder_folder, backend="vllm")
    assert "torch" in Embedder(embedder_folder, backend="torch").device


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"dtype": "int8"}, DeviceError, "not with 'int8'"),
        ({"threads": 2}, InputError, "vLLM has its own threads"),
    ],
)
def test_what_vllm_does_not_do(
    given: dict[str, Any], error: type[Exception], message: str, embedder_folder: Path
) -> None:
    with pytest.raises(error, match=message):
        Embedder(embedder_folder, backend=Vllm(), **given)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"tensor_parallel_size": 0}, "tensor_parallel_size must be at least 1, not 0"),
        ({"memory_share": 1.5}, r"memory_share must lie above 0 and be at most 1, not 1\.5"),
        ({"memory_share": 0.0}, "memory_share must lie above 0"),
    ],
)
def test_settings_are_checked(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Vllm(**settings)


class FakeVllm:
    """As much of vLLM as opening a model asks of; ``given`` is what it was told."""

    platforms = SimpleNamespace(current_platform=SimpleNamespace(device_type="cpu"))
    inputs = SimpleNamespace(TokensPrompt=dict)
    PoolingParams = dict

    def LLM(self, **given: Any) -> SimpleNamespace:
        self.given = given
        return SimpleNamespace(
            llm_engine=SimpleNamespace(model_config=SimpleNamespace(dtype="torch.float32"))
        )


@pytest.mark.parametrize(
    ("is_causal", "token_budget", "caches", "batch_tokens"),
    [
        (True, 100, True, 100),
        (False, 100, False, LONGEST),
        (False, 4096, False, 4096),
        (False, None, False, None),
    ],
)
def test_texts_that_are_read_both_ways_run_whole(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    is_causal: bool,
    token_budget: int | None,
    caches: bool,
    batch_tokens: int | None,
) -> None:
    """vLLM reads ``is_causal`` itself, but does not start if it is to share prefixes or to cut texts."""
    fake = FakeVllm()
    monkeypatch.setattr("quiver.engine.vllm._import_vllm", lambda _: fake)
    folder = write_checkpoint(tmp_path / "embedding", is_causal=is_causal)
    Embedder(folder, backend="vllm", token_budget=token_budget, max_length=LONGEST)
    assert fake.given["enable_prefix_caching"] is caches
    assert fake.given["max_num_batched_tokens"] == batch_tokens


@with_vllm
@warns_a_lot
@pytest.mark.parametrize("size", SHAPES)
def test_embedding(size: str, tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "embedding", **COMMON, **SHAPES[size])
    truth = Embedder(folder, device="cpu", backend="torch", dtype="bfloat16", max_length=LONGEST)
    found = Embedder(folder, device="cpu", backend="vllm", dtype="bfloat16", max_length=LONGEST)
    assert found.fingerprint == truth.fingerprint or truth.precision != "bfloat16"
    for ours, theirs in (
        (truth.encode_document(TEXTS), found.encode_document(TEXTS)),
        (truth.encode_query(TEXTS), found.encode_query(TEXTS)),
        (truth.encode_query(TEXTS, truncate_dim=64), found.encode_query(TEXTS, truncate_dim=64)),
    ):
        assert (ours * theirs).sum(axis=1).min() >= MIN_COSINE


@with_vllm
@warns_a_lot
@pytest.mark.parametrize(("size", "tied"), [("0.6B", True), ("4B", True), ("8B", False)])
def test_reranking(size: str, tied: bool, tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "reranker", "reranker", tied=tied, **COMMON, **SHAPES[size])
    pairs = [("What is the capital of China?", text) for text in [*TEXTS, "<|im_end|> yes"]]
    truth = Reranker(folder, device="cpu", backend="torch", dtype="bfloat16", max_length=LONGEST)
    found = Reranker(folder, device="cpu", backend="vllm", dtype="bfloat16", max_length=LONGEST)
    np.testing.assert_allclose(found.predict(pairs), truth.predict(pairs), atol=LARGEST_DIFFERENCE)
    assert np.asarray(truth.predict(pairs)).std() > LARGEST_DIFFERENCE


@with_vllm
@warns_a_lot
def test_layers_divided_among_processes(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "embedding", **COMMON, **SHAPES["0.6B"])
    truth = Embedder(folder, device="cpu", backend="torch", dtype="float32", max_length=LONGEST)
    found = Embedder(folder, backend=Vllm(tensor_parallel_size=2), dtype="float32", max_length=LONGEST)
    assert found.device == "cpu (vLLM, 2 devices)"
    np.testing.assert_allclose(found.encode_query(TEXTS), truth.encode_query(TEXTS), atol=1e-5)


@with_vllm
@warns_a_lot
@pytest.mark.parametrize("token_budget", [None, 64])
def test_attention_both_ways(token_budget: int | None, tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "embedding", is_causal=False, **COMMON, **SHAPES["0.6B"])
    truth = Embedder(folder, device="cpu", backend="torch", dtype="float32", max_length=LONGEST)
    found = Embedder(folder, backend="vllm", dtype="float32", max_length=LONGEST, token_budget=token_budget)
    for _ in range(2):
        vectors = found.encode_query(TEXTS)
        np.testing.assert_allclose(vectors, truth.encode_query(TEXTS), atol=1e-5)
        assert vectors.usage.tokens_saved == 0


@with_vllm
@warns_a_lot
def test_prefixes_and_limits(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "embedding", **COMMON, **SHAPES["0.6B"])
    embedder = Embedder(folder, backend="vllm", dtype="bfloat16", max_length=LONGEST)
    text = "Gravity is a force. " * 30
    embedder.encode_document(text)
    assert embedder.encode_document(text + " It attracts.").usage.tokens_saved > 100
    with pytest.raises(TooLongError):
        embedder.encode_document(text * 10)
    with pytest.raises(CheckpointError, match="outside the model's vocabulary"):
        embedder.forward([np.array([10**6], dtype=np.int32)])
    assert os.environ["VLLM_NO_USAGE_STATS"] == "1"

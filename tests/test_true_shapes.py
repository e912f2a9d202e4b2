"""The published shapes of all three sizes, layers reduced, against transformers on the same weights.

Long texts and whole models are measured by ``python -m benchmarks.parity``.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import Qwen3ForCausalLM, Qwen3Model

from quiver import Embedder, Reranker
from tests.checkpoints import write_checkpoint

SHAPES: dict[str, dict[str, Any]] = {
    "0.6B": {
        "hidden_size": 1024,
        "intermediate_size": 3072,
        "num_attention_heads": 16,
        "num_hidden_layers": 2,
    },
    "4B": {"hidden_size": 2560, "intermediate_size": 9728, "num_attention_heads": 32, "num_hidden_layers": 1},
    "8B": {
        "hidden_size": 4096,
        "intermediate_size": 12288,
        "num_attention_heads": 32,
        "num_hidden_layers": 1,
    },
}
COMMON: dict[str, Any] = {
    "num_key_value_heads": 8,
    "head_dim": 128,
    "initializer_range": 0.02,
    "rope_parameters": {"rope_type": "default", "rope_theta": 1e6},
    "dtype": torch.bfloat16,
}
TEXTS = ["", "a", "The capital of China is Beijing.", "北京是中国的首都。" * 20, "Gravity is a force. " * 60]


@pytest.mark.parametrize("size", SHAPES)
def test_embedding(size: str, tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "embedding", **COMMON, **SHAPES[size])
    embedder = Embedder(folder, device="cpu", dtype="float32")
    model = Qwen3Model.from_pretrained(folder, dtype=torch.float32).eval()
    expected = []
    for ids in embedder.tokenize(TEXTS):
        with torch.no_grad():
            row = model(torch.tensor(ids[None].astype(np.int64))).last_hidden_state[0, -1]
        expected.append(torch.nn.functional.normalize(row, dim=0).numpy())
    np.testing.assert_allclose(embedder.encode_document(TEXTS), np.stack(expected), atol=1e-5)


@pytest.mark.parametrize(("size", "tied"), [("0.6B", True), ("8B", False)])
def test_reranking(size: str, tied: bool, tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "reranker", "reranker", tied=tied, **COMMON, **SHAPES[size])
    reranker = Reranker(folder, device="cpu", dtype="float32")
    model = Qwen3ForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    pairs = [("What is the capital of China?", text) for text in TEXTS]
    expected = []
    for ids in reranker.tokenize(pairs):
        with torch.no_grad():
            logits = model(torch.tensor(ids[None].astype(np.int64)), logits_to_keep=1).logits[0, -1]
        no, yes = (logits[reranker.answer_ids[word]] for word in ("no", "yes"))
        expected.append(float(torch.softmax(torch.stack([no, yes]), dim=0)[1]))
    np.testing.assert_allclose(reranker.predict(pairs), expected, atol=1e-5)

"""The published shapes, layers reduced, through our own server in bfloat16, against the PyTorch engine."""

from pathlib import Path

import numpy as np
import pytest

from quiver import Embedder, Remote, Reranker
from quiver.server.models import OpenedModels
from tests.checkpoints import write_checkpoint
from tests.server.running import running
from tests.test_true_shapes import COMMON, SHAPES, TEXTS

MIN_COSINE = 0.999
LARGEST_DIFFERENCE = 0.01


@pytest.mark.parametrize("size", SHAPES)
def test_embedding(size: str, tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "embedding", **COMMON, **SHAPES[size])
    truth = Embedder(folder, device="cpu", backend="torch", dtype="bfloat16")
    with running(OpenedModels(embedder=Embedder(folder, dtype="bfloat16"))) as server:
        for model in (folder, None):
            far = Embedder(model, backend=Remote(url=server.url, check=False))
            for found, expected in (
                (far.encode_document(TEXTS), truth.encode_document(TEXTS)),
                (far.encode_query(TEXTS), truth.encode_query(TEXTS)),
            ):
                assert (found * expected).sum(axis=1).min() >= MIN_COSINE


@pytest.mark.parametrize(("size", "tied"), [("0.6B", True), ("4B", True), ("8B", False)])
def test_reranking(size: str, tied: bool, tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "reranker", "reranker", tied=tied, **COMMON, **SHAPES[size])
    pairs = [("What is the capital of China?", text) for text in TEXTS]
    expected = Reranker(folder, device="cpu", backend="torch", dtype="bfloat16").predict(pairs)
    with running(OpenedModels(reranker=Reranker(folder, dtype="bfloat16"))) as server:
        found = Reranker(backend=Remote(url=server.url, check=False)).predict(pairs)
    np.testing.assert_allclose(found, expected, atol=LARGEST_DIFFERENCE)
    assert np.asarray(expected).std() > LARGEST_DIFFERENCE

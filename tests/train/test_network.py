"""The network that learns gives the rows that serving gives, in batches that it pads."""

from pathlib import Path

import numpy as np
import pytest
import torch

from quiver.engine.execute import plan_and_run
from quiver.engine.torch import TorchEngine
from quiver.engine.torch_device import resolve_precision
from quiver.models.checkpoint import open_checkpoint
from quiver.train.network import last_rows, load_network
from tests.checkpoints import write_checkpoint
from tests.engine.oracle import random_sequences


@pytest.mark.parametrize("is_causal", [True, False])
@pytest.mark.parametrize(("kind", "answer_ids"), [("embedding", None), ("reranker", (7, 3))])
def test_a_padded_batch_gives_the_rows_of_serving(
    tmp_path: Path, kind: str, answer_ids: tuple[int, int] | None, is_causal: bool
) -> None:
    checkpoint = open_checkpoint(write_checkpoint(tmp_path / kind, kind, is_causal=is_causal))
    sequences = random_sequences((1, 5, 5, 40))
    rows = last_rows(load_network(checkpoint), [torch.from_numpy(s) for s in sequences], answer_ids)
    engine = TorchEngine(checkpoint, resolve_precision("cpu", "float32"), answer_ids=answer_ids)
    np.testing.assert_allclose(rows.detach().numpy(), plan_and_run(engine, sequences)[0], atol=5e-5)

"""Frozen layers and those above them are together the network that was split."""

from pathlib import Path

import pytest
import torch

from quiver.errors import InputError
from quiver.models.checkpoint import Checkpoint, open_checkpoint
from quiver.train.frozen import FrozenLayers, split
from quiver.train.kept_states import KeptStates
from quiver.train.network import last_rows, load_network, plain_tensors
from tests.checkpoints import write_checkpoint
from tests.engine.oracle import random_sequences

LAYERS = 3
SEQUENCES = [torch.from_numpy(sequence) for sequence in random_sequences((1, 5, 5, 40, 9))]


def frozen_and_above(
    network: torch.nn.Module, folder: Path, trained: int
) -> tuple[FrozenLayers, torch.nn.Module]:
    below, above = split(network, trained)
    return FrozenLayers(below, KeptStates(folder, 64), token_budget=50, bf16=False), above


def load_plain(checkpoint: Checkpoint) -> dict[str, torch.Tensor]:
    return plain_tensors(load_network(checkpoint).state_dict(), checkpoint, None)


@pytest.mark.parametrize("trained", [1, 2])
@pytest.mark.parametrize("is_causal", [True, False])
@pytest.mark.parametrize(("kind", "answer_ids"), [("embedding", None), ("reranker", (7, 3))])
def test_both_parts_give_the_rows_and_gradients_of_the_whole(
    tmp_path: Path, kind: str, answer_ids: tuple[int, int] | None, is_causal: bool, trained: int
) -> None:
    checkpoint = open_checkpoint(write_checkpoint(tmp_path / kind, kind, is_causal=is_causal))
    network = load_network(checkpoint)
    expected = last_rows(network, SEQUENCES, answer_ids)
    expected.square().sum().backward()
    gradients = {name: weight.grad for name, weight in network.named_parameters()}
    network.zero_grad()
    frozen, above = frozen_and_above(network, tmp_path / "kept", trained)
    rows = last_rows(above, frozen(SEQUENCES), answer_ids)
    rows.square().sum().backward()
    torch.testing.assert_close(rows, expected, atol=1e-5, rtol=1e-5)
    learning = {name: weight for name, weight in network.named_parameters() if weight.requires_grad}
    assert {int(name.split("layers.")[1][0]) for name in learning} == set(range(LAYERS - trained, LAYERS))
    for name, weight in learning.items():
        torch.testing.assert_close(weight.grad, gradients[name], atol=1e-4, rtol=1e-4)
    state = plain_tensors(frozen.joined(above.state_dict()), checkpoint, None)
    assert all(torch.equal(state[name], tensor) for name, tensor in load_plain(checkpoint).items())


def test_a_text_runs_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = load_network(open_checkpoint(write_checkpoint(tmp_path / "embedding")))
    frozen, _ = frozen_and_above(network, tmp_path / "kept", trained=1)
    first = frozen(SEQUENCES[:3])
    assert frozen([SEQUENCES[4]] * 3)[2].shape == (9, 64)
    monkeypatch.setattr(frozen, "_run", lambda sequences: pytest.fail(f"{sequences} ran again"))
    for again, states in zip(frozen(SEQUENCES[:3]), first, strict=True):
        assert torch.equal(again, states)


def test_more_layers_than_there_are_cannot_be_split_off(tmp_path: Path) -> None:
    network = load_network(open_checkpoint(write_checkpoint(tmp_path / "embedding")))
    with pytest.raises(InputError, match="cannot be its last ones"):
        split(network, 99)

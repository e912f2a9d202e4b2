import pytest
import torch
from torch import Tensor, nn

from quiver.train.gradient_cache import backward_in_parts


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 8), nn.Dropout(0.3), nn.Tanh(), nn.Linear(8, 4)).double()


def contrast(vectors: Tensor) -> Tensor:
    return nn.functional.cross_entropy(vectors[:6] @ vectors[6:].T, torch.arange(6))


@pytest.mark.parametrize("size", [1, 5, 12])
def test_gradients_are_those_of_the_whole_batch(size: int) -> None:
    inputs = torch.randn(12, 5, dtype=torch.float64)
    whole, cached = network().eval(), network().eval()
    value = contrast(whole(inputs))
    value.backward()
    found = backward_in_parts(inputs.split(size), cached, contrast)
    assert found.item() == pytest.approx(value.item(), rel=1e-12)
    for expected, parameter in zip(whole.parameters(), cached.parameters(), strict=True):
        assert expected.grad is not None
        assert parameter.grad is not None
        torch.testing.assert_close(parameter.grad, expected.grad, rtol=1e-10, atol=1e-12)


def test_dropout_draws_the_same_numbers_when_a_part_runs_again() -> None:
    inputs = torch.randn(12, 5, dtype=torch.float64)
    whole, cached = network(), network()
    torch.manual_seed(1)
    contrast(torch.cat([whole(part) for part in inputs.split(4)])).backward()
    torch.manual_seed(1)
    backward_in_parts(inputs.split(4), cached, contrast)
    for expected, parameter in zip(whole.parameters(), cached.parameters(), strict=True):
        assert expected.grad is not None
        assert parameter.grad is not None
        torch.testing.assert_close(parameter.grad, expected.grad, rtol=1e-10, atol=1e-12)

"""The two attention paths against a naive one, and merging by denominators against plain softmax."""

import math

import pytest
import torch

from quiver.engine.torch_attention import _attend_part, _blockwise, _flash_cpu, _merge


def naive(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, causal: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
    if causal:
        future = torch.ones(q.shape[2], k.shape[2], dtype=torch.bool).triu(1)
        scores = scores.masked_fill(future, -math.inf)
    return scores.softmax(-1) @ v, scores.logsumexp(-1)


@pytest.mark.parametrize("attention", [_flash_cpu, _blockwise])
@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("length", [1, 5, 130])
def test_both_paths_are_plain_attention(attention: type, causal: bool, length: int) -> None:
    torch.manual_seed(length)
    q, k, v = (torch.randn(3, 2, length, 16) for _ in range(3))
    part, weight = attention(q, k, v, causal)
    expected, expected_weight = naive(q, k, v, causal)
    torch.testing.assert_close(part, expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(weight, expected_weight, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("causal", [True, False])
def test_blocks_of_queries_change_nothing(causal: bool) -> None:
    torch.manual_seed(0)
    q, k, v = (torch.randn(1, 2, 50, 8) for _ in range(3))
    whole, blocks = _blockwise(q, k, v, causal), _blockwise(q, k, v, causal, block=7)
    torch.testing.assert_close(whole, blocks)


def test_merged_parts_are_attention_over_their_union() -> None:
    torch.manual_seed(0)
    query = torch.randn(4, 2, 3, 8)  # M, G, H/G, D
    key, value = torch.randn(11, 2, 8), torch.randn(11, 2, 8)
    out, weight = _attend_part(query, key[:6], value[:6], 1, causal=False)
    _merge(out, weight, *_attend_part(query, key[6:], value[6:], 1, causal=False))
    expected, expected_weight = _attend_part(query, key, value, 1, causal=False)
    torch.testing.assert_close(out, expected, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(weight, expected_weight, atol=1e-6, rtol=1e-5)

"""Frozen layers: the lower part of a network, which does not learn and so runs once a text."""

import copy
import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from quiver.errors import InputError
from quiver.train.kept_states import KeptStates
from quiver.train.network import cut_in_parts, padded


def split(network: Any, trained: int) -> tuple[nn.Module, nn.Module]:  # noqa: ANN401
    """The layers below the last ``trained`` ones, and a network of these and what follows them.

    Both share the whole network's weights. The upper one reads states instead of tokens and learns in its
    layers alone: the last norm and what stands behind it stay as they are. Raises InputError if the network
    has fewer layers.
    """
    body = network.base_model
    layers = list(body.layers)
    if trained > len(layers):
        raise InputError(f"the model has {len(layers)} layers, so {trained} cannot be its last ones")
    below = _body_of(body, layers[:-trained], nn.Identity())
    above = _body_of(body, layers[-trained:], body.norm)
    if body is not network:
        whole = _empty_like(network, trained)
        whole.model, whole.lm_head = above, network.lm_head
        above = whole
    above.requires_grad_(False)
    above.base_model.layers.requires_grad_(True)
    return below.eval().requires_grad_(False), above


def _empty_like(network: Any, layers: int) -> Any:  # noqa: ANN401
    """A network of that kind without weights."""
    config = copy.deepcopy(network.config)
    config.layer_types = config.layer_types[:layers]
    config.num_hidden_layers = layers
    with torch.device("meta"):
        return type(network)(config)


def _body_of(body: Any, layers: Sequence[nn.Module], norm: nn.Module) -> Any:  # noqa: ANN401
    part = _empty_like(body, len(layers))
    part.embed_tokens, part.rotary_emb = body.embed_tokens, body.rotary_emb
    part.layers, part.norm = nn.ModuleList(layers), norm
    return part


class FrozenLayers:
    """Turns token sequences into the states that the layers above them read.

    Args:
        below: gives the states of token sequences.
        kept: the states of texts that were met before.
        token_budget: tokens, padding included, that run together.
        bf16: products in bfloat16.
    """

    def __init__(self, below: nn.Module, kept: KeptStates, token_budget: int, *, bf16: bool) -> None:
        self._below, self._kept, self._token_budget, self._bf16 = below, kept, token_budget, bf16

    def __call__(self, sequences: Sequence[Tensor]) -> list[Tensor]:
        """States [length, hidden size] of each sequence of tokens, in memory."""
        keys = [tuple(sequence.tolist()) for sequence in sequences]
        texts = dict(zip(keys, sequences, strict=True))
        found = {key: kept for key, text in texts.items() if (kept := self._kept.get(text)) is not None}
        missing = [key for key in texts if key not in found]
        order, parts = cut_in_parts([texts[key] for key in missing], self._token_budget)
        made = (states for part in parts for states in self._run(part))
        for number, states in zip(order, made, strict=True):
            self._kept.add(texts[missing[number]], states)
            found[missing[number]] = states
        return [found[key].to(sequences[0].device) for key in keys]

    @torch.no_grad()
    def _run(self, sequences: Sequence[Tensor]) -> list[Tensor]:
        device = sequences[0].device
        self._below.to(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=self._bf16):
            states = self._below(**padded(sequences)).last_hidden_state
        return [row[-len(sequence) :].float() for row, sequence in zip(states, sequences, strict=True)]

    def joined(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The whole network's weights, of those above under their own names."""
        frozen = self._below.state_dict()
        count = len(self._below.get_submodule("layers"))  # type: ignore[arg-type]
        return frozen | {_moved(name, count): tensor for name, tensor in state.items()}


def _moved(name: str, layers: int) -> str:
    """A layer's name in a network that has so many more layers below."""
    return re.sub(r"\blayers\.(\d+)\.", lambda found: f"layers.{int(found[1]) + layers}.", name)

"""The last layer as it is trained: which tokens count in a text's mean, and what becomes of it.

The layer was set to take the plain mean (`transplant.py`). Here its heads learn to weigh tokens: the end
token asks by what its constants say, the others answer by their content. Values and output learn, too. The
layers below stay, so their states are read from disk (`states.py`).
"""

from __future__ import annotations

import torch
from torch.nn.functional import linear
from transformers import Qwen3Model

from narrow import room_of
from network import layer_weight, rms_norm, rotated, turns
from precision import WORK
from states import Read
from stream import CONSTANT, CONTENT, HEAD_DIMENSION, HEADS, HIDDEN, ROTARY_BASE
from transplant import CONTENT_PLACES

_ASKS = 0.2
"""How large what a query asks of content is at first, beside its constant"""
_LOUDER = 1.43
"""Makes up for what the constant loses thereby when the query is normed"""
_EVEN, _LAST_AXIS = HIDDEN // 2, 0.3


def axis_weights() -> torch.Tensor:
    """Give the output's weights: the second half of the axes counts less and less.

    These carry least, and `evened_axes` made them louder than they are: on people's questions about SQLite
    the first half alone was better than all (mean reciprocal rank .522 and .461).
    """
    weights = torch.ones(HIDDEN)
    weights[_EVEN:CONTENT] = torch.linspace(1, _LAST_AXIS, CONTENT - _EVEN)
    weights[CONTENT:] = 0
    return weights


def _typical(matrix: torch.Tensor) -> float:
    return matrix[matrix != 0].square().mean().sqrt().item()


class Pooling(torch.nn.Module):
    """The last layer without a feed-forward part: the weights it began with, and what it learns to add."""

    def __init__(self, model: Qwen3Model, asks: float = _ASKS) -> None:
        super().__init__()
        self.layer = model.config.num_hidden_layers - 1
        names = [f"self_attn.{side}_proj" for side in "qkvo"]
        self._query, self._key, self._value, self._output = (
            layer_weight(model, self.layer, name).detach().clone() for name in names
        )
        self._read_norm = layer_weight(model, self.layer, "input_layernorm").detach()
        self._key_norm = layer_weight(model, self.layer, "self_attn.k_norm").detach()
        self.query_norm = _LOUDER * layer_weight(model, self.layer, "self_attn.q_norm").detach()
        self.axes = axis_weights()
        self._asking = torch.tensor(
            [HEAD_DIMENSION * head + place for head in range(HEADS) for place in CONTENT_PLACES]
        )
        self._query_size, self._key_size = self._query.abs().max().item(), self._key[:, CONSTANT].max().item()
        generator = torch.Generator().manual_seed(0)
        chance = torch.randn(len(self._asking), generator=generator)
        self._query[self._asking] = 0
        self._query[self._asking, CONSTANT] = asks * self._query_size * chance
        self._key[self._asking] = 0
        self._value_size, self._output_size = _typical(self._value), _typical(self._output)
        self.asked, self.answered = (
            torch.nn.Parameter(torch.zeros(len(self._asking), HIDDEN)) for _ in range(2)
        )
        self.valued, self.written = (torch.nn.Parameter(torch.zeros(HIDDEN, HIDDEN)) for _ in range(2))
        self._cosines, self._sines = turns(HEAD_DIMENSION, ROTARY_BASE)

    @staticmethod
    def plain(model: Qwen3Model) -> Pooling:
        """Give the layer as it is, before it learns."""
        made = Pooling(model, asks=0.0)
        made.query_norm = layer_weight(model, made.layer, "self_attn.q_norm").detach()
        made.axes = model.get_parameter("norm.weight").detach()
        return made

    def matrices(self) -> dict[str, torch.Tensor]:
        """Give the layer's weights by their parts' names."""
        written = torch.zeros(HIDDEN, 1)
        written[:CONTENT] = 1
        return {
            "self_attn.q_proj": self._query.index_add(0, self._asking, self._query_size * self.asked),
            "self_attn.k_proj": self._key.index_add(0, self._asking, self._key_size * self.answered),
            "self_attn.v_proj": self._value + self._value_size * self.valued,
            "self_attn.o_proj": self._output + self._output_size * written * self.written,
        }

    def forward(self, read: Read) -> torch.Tensor:
        """Give texts' vectors [texts, content], of any length."""
        query, key, value, output = self.matrices().values()
        text = torch.repeat_interleave(torch.arange(len(read.sizes)), read.sizes)
        ends = read.sizes.cumsum(0) - 1
        places = torch.arange(len(text)) - (ends + 1 - read.sizes)[text]
        normed = read.states * self._read_norm
        keys = self._heads(linear(normed.to(WORK), key.to(WORK)).float(), self._key_norm, places)
        values = linear(normed.to(WORK), value.to(WORK)).float().view(-1, HEADS, HEAD_DIMENSION)
        queries = self._heads(linear(normed[ends], query), self.query_norm, places[ends])
        shares = ((queries[text] * keys).sum(-1) * HEAD_DIMENSION**-0.5).exp()
        sums = torch.zeros(len(read.sizes), HEADS).index_add(0, text, shares)
        weighed = torch.zeros(len(read.sizes), HEADS, HEAD_DIMENSION)
        weighed = weighed.index_add(0, text, shares[..., None] * values) / sums[..., None]
        return rms_norm(read.ends + linear(weighed.flatten(1), output), self.axes)[:, :CONTENT]

    def _heads(self, joint: torch.Tensor, norm: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        normed = rms_norm(joint.view(-1, HEADS, HEAD_DIMENSION), norm)
        return rotated(normed, self._cosines[places, None], self._sines[places, None])

    @torch.no_grad()
    def put_into(self, model: Qwen3Model) -> None:
        """Set a model's last layer and norm."""
        matrices = self.matrices()
        # Queries and keys are normed, so their scale is free.
        for part in ("self_attn.q_proj", "self_attn.k_proj"):
            matrices[part] = matrices[part] * room_of([matrices[part]])
        for part, matrix in matrices.items():
            layer_weight(model, self.layer, part).copy_(matrix)
        layer_weight(model, self.layer, "self_attn.q_norm").copy_(self.query_norm)
        model.get_parameter("norm.weight").copy_(self.axes)

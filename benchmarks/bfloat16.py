"""bfloat16 arithmetic on a processor without it: transformers with every operand of a product rounded.

Rounded are the weights and the rows of each product, queries and keys as they meet, values, and the
softmax's weights; sums, norms and the residual stream stay in float32, as in the native engine on
processors with units for bfloat16.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.command import need
from benchmarks.contestants import quiet_transformers
from quiver.results import Floats
from quiver.text.tokenizer import TokenIds


class RoundedModel:
    """A checkpoint in simulated bfloat16 arithmetic; slow, one sequence at a time."""

    def __init__(self, folder: Path) -> None:
        quiet_transformers()
        self._torch: Any = need("torch")
        transformers = need("transformers")
        transformers.AttentionInterface.register("rounded", self._attend)
        self._model = transformers.Qwen3Model.from_pretrained(
            folder, dtype=self._torch.float32, attn_implementation="rounded"
        ).eval()
        for module in self._model.modules():
            if isinstance(module, self._torch.nn.Linear):
                module.weight.data = self._rounded(module.weight.data)
                module.register_forward_pre_hook(lambda _, rows: (self._rounded(rows[0]),))

    def rows(self, sequences: Sequence[TokenIds]) -> Floats:
        """Last rows behind the final norm: [N, E]."""
        torch = self._torch
        with torch.no_grad():
            outputs = [self._model(torch.tensor(s[None].astype(np.int64))) for s in sequences]
        rows: Floats = torch.stack([output.last_hidden_state[0, -1] for output in outputs]).numpy()
        return rows

    def _rounded(self, x: Any) -> Any:  # noqa: ANN401  (tensors of an optional package)
        return x.to(self._torch.bfloat16).to(self._torch.float32)

    def _attend(
        self,
        module: Any,  # noqa: ANN401
        query: Any,  # noqa: ANN401
        key: Any,  # noqa: ANN401
        value: Any,  # noqa: ANN401
        *_: Any,  # noqa: ANN401
        scaling: float,
        **__: Any,  # noqa: ANN401
    ) -> tuple[Any, None]:
        group = query.shape[1] // key.shape[1]
        query, key, value = self._rounded(query * scaling), self._rounded(key), self._rounded(value)
        scores = query @ key.repeat_interleave(group, dim=1).mT
        later = self._torch.ones(scores.shape[-2:], dtype=self._torch.bool).triu(1)
        weights = scores.masked_fill(later, -self._torch.inf).softmax(dim=-1)
        attended = self._rounded(weights) @ value.repeat_interleave(group, dim=1)
        return attended.transpose(1, 2).contiguous(), None

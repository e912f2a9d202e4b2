"""Narrows a network's weights to floats of eight bits (E4M3), its matrices scaled to their range before.

The scales go where they change nothing: a matrix that reads a normed state against the norm's weight, queries
and keys against their own norms, values against the output behind them, and all that writes to the stream
against each other, for every reader norms it. They are powers of two, so only the last rounding is felt.

    python narrow.py --work WORK --folder FOLDER
"""

from __future__ import annotations

import argparse
import math
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from tqdm import tqdm
from transformers import Qwen3Model

from prompts import WEB_SEARCH, embedder_query
from readings import Texts
from texts import SEED
from tokenizer import END_OF_TEXT, token_id

MATRICES = (
    *(f"self_attn.{side}_proj" for side in "qkvo"),
    *(f"mlp.{part}_proj" for part in ("gate", "up", "down")),
)
_FIRST_READERS = ("self_attn.q_proj", "self_attn.o_proj", "mlp.gate_proj", "mlp.down_proj")
_SAME_INPUTS = tuple(_FIRST_READERS[i] for i in (0, 0, 0, 1, 2, 2, 3))
"""For each matrix, the first that reads what it reads"""
Call = tuple[torch.Tensor, dict[str, Any]]
"""The states and settings that a layer is called with"""
_TABLE = "embed_tokens.weight"
STORED = torch.float8_e4m3fn
_LARGEST = 448.0
_DAMPING = 1e-4
_ROUNDED_BY, _INSTRUCTED = 50_000, 120


@torch.no_grad()
def scaled(model: Qwen3Model, *, answers: bool) -> None:
    """Scale every matrix as far as the largest weight allows; what the network computes stays the same."""
    writers = [model.get_parameter(_TABLE)]
    for layer in range(model.config.num_hidden_layers):
        query, key, value, output, gate, up, down = (
            model.get_parameter(f"layers.{layer}.{name}.weight") for name in MATRICES
        )
        # Weights that write to the stream share a scale, which one loud layer must not spend for all.
        _move(output, value, up_to=1.0)
        _against(model.get_parameter(f"layers.{layer}.input_layernorm.weight"), [value, query, key])
        for matrix in (query, key):
            matrix.mul_(room_of([matrix]))
        _lighten(down, up)
        _against(model.get_parameter(f"layers.{layer}.post_attention_layernorm.weight"), [gate, up])
        _move(up, down, up_to=_LARGEST)
        writers += [output, down]
    room = room_of(writers)
    for matrix in writers:
        matrix.mul_(room)
    # The table reads the answer, too, in a network that has one.
    if answers:
        model.get_parameter("norm.weight").div_(room)


def room_of(matrices: Sequence[torch.Tensor]) -> float:
    """Give the largest power of two by which matrices may be multiplied."""
    largest = max(matrix.abs().max().item() for matrix in matrices)
    return 2.0 ** math.floor(math.log2(_LARGEST / largest)) if largest else 1.0


def _against(norm: torch.Tensor, readers: Sequence[torch.Tensor]) -> None:
    """Scale a norm's readers up and its weight down."""
    room = room_of(readers)
    norm.div_(room)
    for matrix in readers:
        matrix.mul_(room)


def _move(down: torch.Tensor, up: torch.Tensor, *, up_to: float) -> None:
    """Make one of two factors smaller, if it is larger than a limit, and the other larger."""
    largest = down.abs().max().item()
    if largest > up_to:
        excess = 2.0 ** math.ceil(math.log2(largest / up_to))
        down.div_(excess)
        up.mul_(excess)


def _lighten(output: torch.Tensor, before: torch.Tensor) -> None:
    """Move what exceeds 1 in a column of the last factor to the row before it, as far as that has room."""
    excess, room = output.abs().amax(0).log2().ceil(), (_LARGEST / before.abs().amax(1)).log2().floor()
    moved = 2.0 ** torch.minimum(excess, room).clamp(min=0)
    output.div_(moved)
    before.mul_(moved[:, None])


def rounded(matrix: torch.Tensor, moments: torch.Tensor) -> torch.Tensor:
    """Round a matrix [outputs, inputs] so that its products change least, given its inputs' second moments.

    GPTQ (Frantar et al., 2022, arXiv 2210.17323): column by column, the loudest input first; what rounding
    takes from a product is given back by the columns that are left.
    """
    if not moments.any():
        return matrix.to(STORED)
    order = moments.diagonal().argsort(descending=True)
    left = matrix[:, order].double()
    moments = moments[order][:, order].double()
    moments += _DAMPING * moments.diagonal().mean() * torch.eye(len(moments), dtype=torch.float64)
    inverse = torch.linalg.cholesky(torch.cholesky_inverse(torch.linalg.cholesky(moments)), upper=True)
    made = torch.empty_like(matrix, dtype=STORED)
    for place, column in enumerate(order.tolist()):
        made[:, column] = left[:, place].to(torch.float32).to(STORED)
        error = (left[:, place] - made[:, column].double()) / inverse[place, place]
        left[:, place + 1 :] -= error[:, None] * inverse[place, place + 1 :]
    return made


def _first_calls(model: Qwen3Model, rows: Sequence[torch.Tensor]) -> list[Call]:
    """Give, for each text, what the first layer is called with."""
    found: list[Call] = []

    def keep(_: torch.nn.Module, inputs: tuple[torch.Tensor], settings: dict[str, Any]) -> None:
        found.append((inputs[0], settings))

    hook = model.layers[0].register_forward_pre_hook(keep, with_kwargs=True)
    for row in rows:
        model(input_ids=row)
    hook.remove()
    return found


def _through(layer: torch.nn.Module, calls: Sequence[Call]) -> list[torch.Tensor]:
    return [layer(state, **settings) for state, settings in calls]


def _products(layer: torch.nn.Module, calls: Sequence[Call]) -> dict[str, torch.Tensor]:
    """Sum over all tokens the products of inputs with each other, by the first matrix that reads them."""
    found: dict[str, torch.Tensor] = {}

    def add(name: str, inputs: torch.Tensor) -> None:
        tokens = inputs.reshape(-1, inputs.shape[-1])
        made = tokens.T @ tokens
        found[name] = found[name] + made if name in found else made

    hooks = [
        layer.get_submodule(name).register_forward_pre_hook(lambda _, inputs, name=name: add(name, inputs[0]))
        for name in _FIRST_READERS
    ]
    _through(layer, calls)
    for hook in hooks:
        hook.remove()
    return found


def _narrow_layer(layer: torch.nn.Module, calls: Sequence[Call]) -> dict[str, torch.Tensor]:
    """Round a layer's matrices in place and give them as they are stored; without texts each weight alone."""
    products = _products(layer, calls)
    stored = {}
    for name, first in zip(MATRICES, _SAME_INPUTS, strict=True):
        weight = layer.get_parameter(f"{name}.weight")
        stored[name] = rounded(weight, products[first]) if calls else weight.to(STORED)
        weight.copy_(stored[name].float())
    return stored


@torch.no_grad()
def narrowed(
    model: Qwen3Model, rows: Sequence[torch.Tensor], *, answers: bool = False
) -> dict[str, torch.Tensor]:
    """Give the weights as they are stored: matrices in eight bits, norms in float32.

    The rows are texts [1, tokens] by which the layers are rounded one after the other, or none; the model is
    changed.
    """
    scaled(model, answers=answers)
    stored = {name: weight.contiguous() for name, weight in model.state_dict().items() if weight.ndim == 1}
    stored[_TABLE] = model.get_parameter(_TABLE).to(STORED)
    model.get_parameter(_TABLE).copy_(stored[_TABLE].float())
    calls = _first_calls(model, rows)
    for number, layer in enumerate(tqdm(model.layers, desc="layers")):
        for name, matrix in _narrow_layer(layer, calls).items():
            stored[f"layers.{number}.{name}.weight"] = matrix
        calls = [(state, call[1]) for state, call in zip(_through(layer, calls), calls, strict=True)]
    return stored


def some_rows(work: Path) -> list[torch.Tensor]:
    """Give texts as tokens: queries and documents, short and long, and queries behind an instruction."""
    tokenizer = Tokenizer.from_file(str(work / "tokenizer.json"))
    texts = Texts(work / "rows.jsonl", tokenizer)
    rows = texts.drawn(random.Random(SEED + 1), _ROUNDED_BY)
    end = token_id(tokenizer, END_OF_TEXT)
    queries = [pair.query for pair in texts.pairs[:_INSTRUCTED]]
    asked = tokenizer.encode_batch([embedder_query(WEB_SEARCH, query) for query in queries])
    instructed = [np.array([*encoding.ids, end]) for encoding in asked]
    return [torch.from_numpy(row)[None].long() for row in [*rows, *instructed]]


def main() -> None:
    """Narrow the weights of a checkpoint in place."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, help="whose texts the embedder is rounded by")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--reranker", action="store_true")
    arguments = parser.parse_args()
    model = Qwen3Model.from_pretrained(arguments.folder, dtype=torch.float32).eval()
    # What GPTQ saves a reranker is lost again: bfloat16 changes its scores twice as much then.
    rows = [] if arguments.reranker else some_rows(arguments.work)
    stored = narrowed(model, rows, answers=arguments.reranker)
    if arguments.reranker:
        stored = {f"model.{name}": weight for name, weight in stored.items()}
    save_file(stored, arguments.folder / "model.safetensors", metadata={"format": "pt"})


if __name__ == "__main__":
    main()

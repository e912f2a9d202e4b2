"""The network that learns: transformers' Qwen3 on a checked checkpoint, read at the end of each sequence."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import transformers
from torch import Tensor, nn

from quiver.errors import InputError
from quiver.models.checkpoint import Checkpoint
from quiver.train.settings import LoraSettings

PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


def load_network(checkpoint: Checkpoint, lora: LoraSettings | None = None) -> nn.Module:
    """The checkpoint's network in float32, with adapters if asked for.

    Raises InputError for a reranker that was converted to a classifier.
    """
    if checkpoint.config.labels:
        raise InputError(
            f"{checkpoint.name} is a converted reranker; train the original, which says yes or no"
        )
    kind = transformers.AutoModel if checkpoint.kind == "embedder" else transformers.AutoModelForCausalLM
    network: nn.Module = kind.from_pretrained(
        checkpoint.folder, dtype=torch.float32, use_safetensors=True, local_files_only=True, use_cache=False
    )
    if lora is None:
        return network
    import peft

    settings = peft.LoraConfig(
        r=lora.rank, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules=list(PROJECTIONS)
    )
    with warnings.catch_warnings():  # peft 0.21 asks transformers 5 by an old name
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
        adapted: nn.Module = peft.get_peft_model(network, settings)
    return adapted


def last_rows(network: nn.Module, sequences: Sequence[Tensor], answer_ids: tuple[int, int] | None) -> Tensor:
    """What the network says at each sequence's end: [n, E], or logits of the two answers [n, 2].

    Sequences are token ids [length] or, for what lies above frozen layers, states [length, hidden size].
    """
    inputs = padded(sequences)
    if answer_ids is None:
        rows: Tensor = network(**inputs).last_hidden_state[:, -1]
    else:
        rows = network(**inputs, logits_to_keep=1).logits[:, -1, list(answer_ids)]
    return rows.float()


def padded(sequences: Sequence[Tensor]) -> dict[str, Any]:
    """Sequences as the library's networks take them.

    They are padded on the left, so that all end in the last column, and positions count from each one's first
    token.
    """
    longest = max(len(sequence) for sequence in sequences)
    lengths = torch.tensor([len(s) for s in sequences], device=sequences[0].device)
    mask = torch.arange(longest, device=lengths.device) >= (longest - lengths)[:, None]
    inputs = {"attention_mask": mask.long(), "position_ids": (mask.cumsum(dim=1) - 1).clamp(min=0)}
    if sequences[0].dim() == 1:
        ids = [nn.functional.pad(s.long(), (longest - len(s), 0)) for s in sequences]
        return {"input_ids": torch.stack(ids), **inputs}
    states = [nn.functional.pad(s, (0, 0, longest - len(s), 0)) for s in sequences]
    return {"inputs_embeds": torch.stack(states), **inputs}


def cut_in_parts(sequences: Sequence[Tensor], token_budget: int) -> tuple[list[int], list[list[Tensor]]]:
    """Sequences in parts of at most that many tokens, padding included, and their order; longest first."""
    order = sorted(range(len(sequences)), key=lambda place: -len(sequences[place]))
    parts: list[list[Tensor]] = []
    for place in order:
        if not parts or (len(parts[-1]) + 1) * len(parts[-1][0]) > token_budget:
            parts.append([])
        parts[-1].append(sequences[place])
    return order, parts


def plain_tensors(
    state: Mapping[str, Tensor], checkpoint: Checkpoint, lora: LoraSettings | None
) -> dict[str, Tensor]:
    """A trained network's weights by the checkpoint's names, adapters added to what they adapt."""
    if lora is not None:
        network: Any = load_network(checkpoint, lora)
        network.load_state_dict(state)
        state = network.merge_and_unload().state_dict()
    return {name.removeprefix("model."): tensor for name, tensor in state.items()}

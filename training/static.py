"""Trains what the reranker compares: a text is the mean of its tokens' vectors and a feed-forward part.

A step costs a look-up per token and a few products per text, a thousandth of a transformer's, so every pair
is seen many times. The loss is that of `embedder.py`: follow the teacher, be as near to each other as it
says, and find one's partner among others of the same source.

    python static.py --work WORK --steps 1500
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch.nn.functional import embedding_bag, linear, normalize, silu

from batches import Batches
from embedder import batch_loss, open_targets
from extract import Pair
from held_out import agreement, measure
from judge import CONTENT, FEED_FORWARD, HIDDEN, MEAN_GAIN, ROW_LENGTH, within_limit
from label import PASSAGE, Labels, held_out_texts, vocabulary_texts
from reranker import rarities, small_tokenizer, spaced
from texts import SEED, read_pairs
from tokenizer import END_OF_TEXT, token_id

_LEARNING_RATE = 2e-3
_SOURCES, _EACH, _TOKENS = 2, 512, 64_000
_CHECKPOINT_STEPS = 500
_TYPICAL = 4096


class Compared(torch.nn.Module):
    """Texts as the reranker's last layer sees them, computed as its layers do."""

    def __init__(self, table: torch.Tensor) -> None:
        super().__init__()
        self.table = torch.nn.Parameter(table)
        # One more input than the content: the constant, as a bias.
        self.gate, self.up = (
            torch.nn.Parameter(torch.randn(FEED_FORWARD, CONTENT + 1) * 0.02) for _ in range(2)
        )
        self.down = torch.nn.Parameter(torch.zeros(CONTENT, FEED_FORWARD))

    def forward(self, rows: Sequence[NDArray[np.int32]]) -> torch.Tensor:
        """Give each text's vector."""
        starts = torch.from_numpy(np.cumsum([0, *map(len, rows)])[:-1])
        tokens = torch.from_numpy(np.concatenate(rows).astype(np.int64))
        gathered = embedding_bag(tokens, within_limit(self.table), starts, mode="mean") * MEAN_GAIN
        norm = (gathered.square().sum(1, keepdim=True) + ROW_LENGTH**2).rsqrt() * HIDDEN**0.5
        normed = torch.cat([gathered, torch.ones_like(norm)], 1) * norm
        return gathered + linear(silu(linear(normed, self.gate)) * linear(normed, self.up), self.down)


class StaticTrainer:
    """What is compared and its optimizer, kept on disk to go on after a stop."""

    def __init__(self, start: torch.Tensor, file: Path) -> None:
        self.compared = Compared(start)
        self.optimizer = torch.optim.Adam(self.compared.parameters(), betas=(0.9, 0.98), fused=True)
        self.step, self._file = 0, file
        if file.exists():
            kept = torch.load(file, weights_only=True)
            self.compared.load_state_dict(kept["compared"])
            self.optimizer.load_state_dict(kept["optimizer"])
            self.step = kept["step"]

    def save(self) -> None:
        """Write everything that is needed to go on."""
        partial = self._file.with_suffix(".partial")
        state = {
            "compared": self.compared.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
        }
        torch.save(state, partial)
        partial.rename(self._file)


def start_table(
    work: Path, pairs: list[Pair], tokenizer: Tokenizer, basis: NDArray[np.float32]
) -> torch.Tensor:
    """Give the teacher's vectors of the vocabulary's entries, each as long as it is rare."""
    labels = Labels(work / "labels")
    rows = labels.rows(vocabulary_texts(tokenizer))
    words = np.where(rows[:, None] >= 0, labels.vectors()[rows], 0).astype(np.float32)
    words[rows >= 0] -= words[rows >= 0].mean(0)
    table = normalize(torch.from_numpy(words @ basis), dim=-1)
    return table * torch.from_numpy(rarities(pairs, tokenizer))[:, None]


@torch.no_grad()
def report(compared: Compared, work: Path, tokenizer: Tokenizer) -> dict[str, float]:
    """Measure on the held-out pairs; an instruction counts for nothing, as in the network."""

    def vectors(texts: list[str]) -> NDArray[np.float32]:
        bare = [" " + text.rsplit("\nQuery:", 1)[-1] for text in texts]
        rows = [np.asarray(e.ids[:512] or [0], dtype=np.int32) for e in tokenizer.encode_batch_fast(bare)]
        return normalize(compared(rows), dim=-1).numpy()

    pairs = read_pairs(work / "held_out.jsonl")
    results = measure(pairs, vectors)
    texts, labels = held_out_texts(pairs), Labels(work / "labels")
    taught = labels.vectors()[labels.rows([PASSAGE + text for text in texts])].astype(np.float32)
    with np.load(work / "space.npz") as space:
        taught -= space["document"]
    taught /= np.linalg.norm(taught, axis=1, keepdims=True)
    results["teacher"] = agreement(vectors(texts), taught)
    return {name: round(value, 3) for name, value in results.items()}


def main() -> None:
    """Train and write the table and the feed-forward part."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=1500)
    arguments = parser.parse_args()
    work: Path = arguments.work
    torch.manual_seed(SEED)
    tokenizer = small_tokenizer(Tokenizer.from_file(str(work / "tokenizer.json")))
    tokenizer.save(str(work / "reranker-tokenizer.json"), pretty=False)
    as_they_are = read_pairs(work / "rows.jsonl")
    # In a request a blank stands before either text.
    pairs = spaced(as_they_are)
    end_id = token_id(tokenizer, END_OF_TEXT)
    source = Batches(pairs, tokenizer, end_id, work / "tokens")
    _, targets = open_targets(work, as_they_are)
    start = start_table(work, pairs, tokenizer, targets.basis[:, :CONTENT])
    trainer = StaticTrainer(start, work / "reranker-table.checkpoint")
    while trainer.step < arguments.steps:
        batch = source.draw(random.Random(SEED + trainer.step), _SOURCES, _EACH, _TOKENS, 0.0)
        with torch.no_grad():
            trainer.compared.table[end_id] = 0
        found = trainer.compared([*batch.queries, *batch.documents])
        count = len(batch.queries)
        taught = [side[:, :CONTENT] for side in targets.of(batch.pairs)]
        loss = batch_loss((found[:count], found[count:]), (taught[0], taught[1]), batch)
        trainer.optimizer.param_groups[0]["lr"] = _LEARNING_RATE * max(
            0.02, 1 - trainer.step / arguments.steps
        )
        trainer.optimizer.zero_grad()
        loss.backward()
        trainer.optimizer.step()
        trainer.step += 1
        if trainer.step % 100 == 0:
            print(f"step {trainer.step} loss {loss.item():.3f}", flush=True)
        if trainer.step % _CHECKPOINT_STEPS == 0:
            trainer.save()
            print("held out", json.dumps(report(trainer.compared, work, tokenizer)), flush=True)
    with torch.no_grad():
        typical = trainer.compared([source.bare(i) for i in range(_TYPICAL)]).norm(dim=1).mean()
    weights = {name: value.numpy() for name, value in trainer.compared.state_dict().items()}
    np.savez(work / "reranker-table.npz", typical=typical.numpy(), **weights)


if __name__ == "__main__":
    main()

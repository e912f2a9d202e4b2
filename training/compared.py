"""Trains what the reranker compares: a text is the mean of its tokens' vectors and a feed-forward part.

A step costs a look-up per token and a few products per text, a thousandth of a transformer's, so every pair
is seen many times. The loss is that of `embedder.py`: follow the teacher, be as near to each other as it
says, and find one's partner among others of the same source.

    python compared.py --work WORK --steps 1500
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch.nn.functional import linear, silu

from batches import Batches
from embedder import open_targets
from judge import CONTENT, FEED_FORWARD, HIDDEN, MEAN_GAIN, ROW_LENGTH, within_limit
from reranker import small_tokenizer, spaced
from static import StaticTrainer, means, report, start_table
from texts import SEED, read_pairs
from tokenizer import END_OF_TEXT, token_id

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
        gathered = means(within_limit(self.table), rows) * MEAN_GAIN
        norm = (gathered.square().sum(1, keepdim=True) + ROW_LENGTH**2).rsqrt() * HIDDEN**0.5
        normed = torch.cat([gathered, torch.ones_like(norm)], 1) * norm
        return gathered + linear(silu(linear(normed, self.gate)) * linear(normed, self.up), self.down)


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
    source = Batches(pairs, tokenizer, token_id(tokenizer, END_OF_TEXT), work / "tokens")
    _, targets = open_targets(work, as_they_are)
    compared = Compared(start_table(work, pairs, tokenizer, targets.basis, CONTENT))
    trainer = StaticTrainer(compared, work / "reranker-table.checkpoint")
    for _ in trainer.run(arguments.steps, source, targets, (CONTENT, CONTENT // 2)):
        report(compared, " ", work, tokenizer)
    with torch.no_grad():
        typical = compared([source.bare(i) for i in range(_TYPICAL)]).norm(dim=1).mean()
    weights = {name: value.numpy() for name, value in compared.state_dict().items()}
    np.savez(work / "reranker-table.npz", typical=typical.numpy(), **weights)


if __name__ == "__main__":
    main()

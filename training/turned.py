"""Turns an embedder's token table so that its first dimensions carry most of what texts differ by.

A turn changes no cosine; a cut to the first dimensions (MRL) then keeps the principal axes of the documents'
vectors instead of the first of two joined tables.

    python turned.py --work WORK
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch.nn.functional import normalize

from model import static_embedder
from static import as_seen, means
from texts import read_pairs

_DOCUMENTS = 60_000
_CHUNK = 10_000


def principal_axes(table: torch.Tensor, rows: list[NDArray[np.int32]]) -> torch.Tensor:
    """Give the axes [dimensions, dimensions] of texts' vectors, the largest share of their squares first."""
    seen = as_seen(table)
    squares = torch.zeros(table.shape[1], table.shape[1])
    for start in range(0, len(rows), _CHUNK):
        vectors = normalize(means(seen, rows[start : start + _CHUNK]), dim=-1)
        squares += vectors.T @ vectors
    axes: torch.Tensor = torch.linalg.eigh(squares)[1]
    return axes.flip(1)


def main() -> None:
    """Turn the embedder of a work folder in place."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    work: Path = parser.parse_args().work
    tokenizer = Tokenizer.from_file(str(work / "tokenizer.json"))
    table = torch.from_numpy(np.load(work / "joined.npy"))
    texts = [pair.document for pair in read_pairs(work / "rows.jsonl")[:_DOCUMENTS]]
    rows = [np.asarray(e.ids or [0], dtype=np.int32) for e in tokenizer.encode_batch_fast(texts)]
    turned = table @ principal_axes(table, rows)
    static_embedder(turned.numpy(), tokenizer).save_pretrained(work / "embedder")


if __name__ == "__main__":
    main()

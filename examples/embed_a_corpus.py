"""Embed a corpus of any size block by block, in short vectors, and keep them with their fingerprint.

python examples/embed_a_corpus.py examples/documents/git.txt vectors.npy
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from quiver import Embedder


def lines(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8") as file:
        yield from (line.rstrip("\n") for line in file)


source, target = Path(sys.argv[1]), Path(sys.argv[2])
embedder = Embedder(truncate_dim=128, on_too_long="truncate")

blocks = []
for block in embedder.encode_stream(lines(source)):
    blocks.append(block)
    for cut in block.cuts:
        print(f"line {cut.index + 1} lost its last {cut.removed} tokens")

vectors = np.concatenate(blocks)
np.save(target, vectors)
target.with_suffix(".fingerprint").write_text(f"{embedder.fingerprint}\n")
print(f"{len(vectors)} vectors of {vectors.shape[1]} dimensions in {target}")

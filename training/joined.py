"""Joins two token tables of one vocabulary: a text's vector is the one's and behind it the other's.

Cosines are then the mean of both tables' cosines, which is better than either alone where they were trained
on different pairs. `turned.py` then puts what matters most of both first.

    python joined.py --work WORK --first WORK/static.npy --second FOLDER
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.torch import load_file

from model import CONTENT

_FIRST = 288


def joined(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give the first dimensions of either table, as long together as one."""
    table: NDArray[np.float32] = np.concatenate([first[:, :_FIRST], second[:, : CONTENT - _FIRST]], axis=1)
    return table / np.float32(2**0.5)


def main() -> None:
    """Join a table that was just trained and an embedder's."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--first", type=Path, required=True)
    parser.add_argument("--second", type=Path, required=True, help="an embedder of one vocabulary with it")
    parser.add_argument("--work", type=Path, required=True)
    arguments = parser.parse_args()
    work: Path = arguments.work
    entries = load_file(arguments.second / "model.safetensors")["embed_tokens.weight"].float().numpy()
    joint = joined(np.load(arguments.first), entries)
    np.save(work / "joined.npy", joint)


if __name__ == "__main__":
    main()

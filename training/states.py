"""The states that the last layer reads, kept on disk: the layers below do not change while it learns.

A text's states are kept as their norm gives them, before its weight, in float16; the end token's, to which
the layer adds, as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from network import Network, grouped, rms_norm

_TOKENS_AT_ONCE = 6_000
Rows = Sequence[NDArray[np.int32]]


@dataclass(frozen=True)
class Read:
    """What the last layer reads of some texts, end to end."""

    states: torch.Tensor
    """[tokens, hidden], of mean square 1"""
    ends: torch.Tensor
    """[texts, hidden]"""
    sizes: torch.Tensor
    """Tokens of each text"""


class States:
    """The kept states of texts, by number."""

    def __init__(self, folder: Path) -> None:
        self._states = np.load(folder / "states.npy", mmap_mode="r")
        self._ends = np.load(folder / "ends.npy")
        self._starts = np.load(folder / "starts.npy")

    def __len__(self) -> int:
        return len(self._ends)

    def read(self, numbers: Sequence[int]) -> Read:
        """Give what the last layer reads of some texts."""
        starts, stops = self._starts[numbers], self._starts[np.asarray(numbers) + 1]
        parts = [self._states[start:stop] for start, stop in zip(starts, stops, strict=True)]
        return Read(
            torch.from_numpy(np.concatenate(parts)).float(),
            torch.from_numpy(self._ends[numbers]),
            torch.from_numpy(stops - starts),
        )


def states_of(folder: Path, network: Network, rows: Rows, filler: int) -> States:
    """Give the states of token rows, making them at first use: about 2,000 tokens a second on a core."""
    if not folder.exists():
        partial = folder.with_name(f"{folder.name}.partial")
        partial.mkdir(exist_ok=True)
        _keep(partial, network, rows, filler)
        partial.rename(folder)
    return States(folder)


@torch.inference_mode()
def _keep(folder: Path, network: Network, rows: Rows, filler: int) -> None:
    sizes = [len(row) for row in rows]
    starts = np.cumsum([0, *sizes])
    hidden = network.model.config.hidden_size
    states = np.lib.format.open_memmap(
        folder / "states.npy", mode="w+", dtype=np.float16, shape=(int(starts[-1]), hidden)
    )
    ends = np.empty((len(rows), hidden), dtype=np.float32)
    with tqdm(total=int(starts[-1]), desc="states", unit="token", unit_scale=True) as progress:
        for numbers in _by_length(sizes):
            groups = grouped([rows[number] for number in numbers], filler)
            *_, found = network.stream(groups)
            normed = rms_norm(found, torch.ones(hidden))
            split = [group.ids.numel() for group in groups]
            for group, some, some_normed in zip(groups, found.split(split), normed.split(split), strict=True):
                shape = (*group.ids.shape, hidden)
                raw, kept = some.view(shape).numpy(), some_normed.view(shape).half().numpy()
                for line, place in enumerate(group.order):
                    number = numbers[place]
                    states[starts[number] : starts[number + 1]] = kept[line, : sizes[number]]
                    ends[number] = raw[line, sizes[number] - 1]
            progress.update(sum(sizes[number] for number in numbers))
    states.flush()
    np.save(folder / "ends.npy", ends)
    np.save(folder / "starts.npy", starts)


def _by_length(sizes: Sequence[int]) -> list[list[int]]:
    """Put texts of like length together, up to a number of tokens."""
    order = iter(sorted(range(len(sizes)), key=lambda number: sizes[number]))
    parts: list[list[int]] = []
    while first := list(islice(order, 1)):
        count = max(1, _TOKENS_AT_ONCE // max(1, sizes[first[0]]))
        parts.append([*first, *islice(order, count - 1)])
    return parts

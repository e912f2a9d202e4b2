"""Stored tensors as arrays, without reading what is not used, and the rows of a reranker's head."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from quiver.engine.base import Floats
from quiver.errors import CheckpointError
from quiver.models.checkpoint import Checkpoint, TensorEntry


def _eight_bit_floats() -> Floats:
    """What each byte means in E4M3 (Micikevicius et al., 2022, arXiv:2209.05433): bias 7, no infinities."""
    size = np.arange(128)
    exponent, fraction = size >> 3, (size & 7) / 8
    values = np.where(exponent == 0, fraction * 2.0**-6, (1 + fraction) * 2.0 ** (exponent - 7.0))
    values[127] = np.nan
    return np.concatenate([values, -values]).astype(np.float32)


_EIGHT_BIT_FLOATS = _eight_bit_floats()


def map_bytes(entry: TensorEntry) -> npt.NDArray[np.uint8]:
    """A tensor's bytes, mapped from its file."""
    return np.asarray(np.memmap(entry.file, np.uint8, "r", entry.offset, (entry.size,)))


def read_floats(entry: TensorEntry, rows: Sequence[int] | None = None) -> Floats:
    """A tensor, or some of its rows, as float32."""
    types = {"F32": np.float32, "F16": np.float16, "BF16": np.uint16, "F8_E4M3": np.uint8}
    stored = map_bytes(entry).view(types[entry.dtype]).reshape(entry.shape)
    chosen = stored if rows is None else stored[list(rows)]
    if entry.dtype == "BF16":
        chosen = (chosen.astype(np.uint32) << 16).view(np.float32)
    elif entry.dtype == "F8_E4M3":
        chosen = _EIGHT_BIT_FLOATS[chosen]
    return chosen.astype(np.float32)


def read_head(checkpoint: Checkpoint, answer_ids: tuple[int, int] | None) -> Floats | None:
    """[2, E] rows that give the logits of "no" and "yes"; None for an embedder.

    A head converted to one label holds the difference of the two rows already. Raises CheckpointError if the
    head has no row for an answer.
    """
    if answer_ids is None or checkpoint.head is None:
        return None
    entry, labels = checkpoint.tensors[checkpoint.head], checkpoint.config.labels
    if labels == 1:
        yes = read_floats(entry)
        return np.concatenate([np.zeros_like(yes), yes])
    if labels == 2:
        return read_floats(entry)
    if labels:
        raise CheckpointError(f"the head has {labels} labels; a reranker has one or two")
    if max(answer_ids) >= entry.shape[0]:
        raise CheckpointError(f'the head has {entry.shape[0]} rows and none for "yes" or "no"')
    return read_floats(entry, answer_ids)

"""The native engine: Qwen3's forward pass in C++ for x86-64 processors, without PyTorch.

A sequence's result has the same bits whatever runs beside it: every number comes from one chain of operations
whose order depends on nothing but its own row (see ``docs/engine.md``).
"""

import dataclasses
import os

import numpy as np
import numpy.typing as npt

from quiver import _native
from quiver.engine.base import Batch, Floats, Prefix
from quiver.engine.native_weights import ELEMENTS, PRECISIONS, Packer
from quiver.engine.packed_cache import load_matrices
from quiver.engine.rotary import inverse_frequencies, rotation_scale
from quiver.engine.stored import map_bytes, read_head
from quiver.errors import DeviceError
from quiver.models.checkpoint import Checkpoint

TOKEN_BUDGET = 4096

PREFIX_BYTES = 256 << 20
"""Memory for kept keys and values."""


class NativeEngine:
    """Runs a checkpoint; an Engine. Threads may share it and take turns."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        dtype: str,
        *,
        threads: int | None = None,
        token_budget: int | None = None,
        answer_ids: tuple[int, int] | None = None,
    ) -> None:
        precision = _precision_of(checkpoint, dtype)
        instruction_set, threads = choose_instruction_set(), threads or count_threads()
        widens = precision == "bfloat16" and not _native.multiplies_bfloat16(instruction_set)
        self.precision = "bfloat16+float32" if widens else precision
        self.device = f"cpu (native, {instruction_set}, {threads} thread{'s' * (threads > 1)})"
        self.token_budget = TOKEN_BUDGET if token_budget is None else token_budget
        self._config = config = checkpoint.config
        self.prefix_budget = config.prefix_budget(PREFIX_BYTES, 4)
        packer = Packer(checkpoint, instruction_set, precision, threads)
        embedding = checkpoint.tensors["embed_tokens.weight"]
        self._model = _native.Model(
            instruction_set,
            threads,
            PRECISIONS[precision],
            dataclasses.asdict(config),
            map_bytes(embedding),
            ELEMENTS[embedding.dtype],
            packer.layers(load_matrices(packer)),
            packer.final_norm(),
            inverse_frequencies(config),
            rotation_scale(config.rope),
        )
        self._head = read_head(checkpoint, answer_ids)

    def keep(self, batch: Batch) -> list[Prefix]:
        """Run the sequences and keep their keys and values."""
        batch.check_vocabulary(self._config.vocabulary)
        return list(self._model.keep(batch.token_ids, batch.boundaries, batch.prefixes))

    def run(self, batch: Batch, rows: npt.NDArray[np.int64]) -> Floats:
        """Run the sequences: rows after the final norm, or their logits of "no" and "yes"."""
        batch.check_vocabulary(self._config.vocabulary)
        out = np.empty((len(rows), self._config.hidden_size), np.float32)
        self._model.run(batch.token_ids, batch.boundaries, batch.prefixes, rows, out)
        if self._head is None:
            return out
        return np.stack([(out * answer).sum(axis=1) for answer in self._head], axis=1)


def _precision_of(checkpoint: Checkpoint, dtype: str) -> str:
    """What the layers' weights are kept in.

    ``auto`` is as they are stored: narrower ones would change the vectors, and eight bits (E4M3) lie within
    bfloat16. There they stay even if int8 is asked for: rounded a second time the built-in embedder's vectors
    keep a cosine of .976 only, and would take longer.
    """
    stored = {
        checkpoint.tensors[f"layers.{i}.mlp.down_proj.weight"].dtype for i in range(checkpoint.config.layers)
    }
    if dtype == "auto":
        return "bfloat16" if stored <= {"BF16", "F8_E4M3"} else "float32"
    return "bfloat16" if dtype == "int8" and stored == {"F8_E4M3"} else dtype


def choose_instruction_set() -> str:
    """QUIVER_ISA, else the best that this processor has; raises DeviceError for one that it lacks."""
    available = _native.instruction_sets()
    wanted = os.environ.get("QUIVER_ISA", "") or available[0]
    if wanted not in available:
        raise DeviceError(f"QUIVER_ISA={wanted} cannot run here: this processor has {', '.join(available)}")
    return wanted


def count_threads() -> int:
    """OMP_NUM_THREADS, else the cores that this process may use."""
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    if wanted.isdecimal() and int(wanted) > 0:
        return int(wanted)
    return len(os.sched_getaffinity(0))

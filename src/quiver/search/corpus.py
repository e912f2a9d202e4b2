"""Corpus: where the passages of an index come from."""

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from quiver.search.passages import Passage, Skipped, SourceFile

CountTokens = Callable[[Sequence[str]], Sequence[int]]


class Corpus(Protocol):
    """Files that can be found, and read in another process: it must pickle."""

    def find(self) -> Iterable[SourceFile | Skipped]:
        """All files, and those that cannot be read."""

    def covers(self, path: str) -> bool:
        """Whether ``find`` would give this path if its file were there."""

    def read(self, file: SourceFile, count_tokens: CountTokens, max_tokens: int) -> list[Passage]:
        """The file's passages; raises UnreadableFile."""

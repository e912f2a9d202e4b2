"""File corpus: the files below some folders, under the names that an index gives them."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from quiver.search.corpus import CountTokens
from quiver.search.home import HOME_NAME, IndexHome, is_below
from quiver.search.ingest import find_files, read_passages
from quiver.search.passages import Passage, Skipped, SourceFile


@dataclass(frozen=True, slots=True)
class FileCorpus:
    """Files and folders of one index."""

    home: IndexHome
    roots: tuple[str, ...]

    def find(self) -> Iterator[SourceFile | Skipped]:
        """All files, but those of an index."""
        locations = [self.home.base / root for root in self.roots]
        for found in find_files(locations):
            if isinstance(found, Skipped):
                yield found
            elif HOME_NAME not in found.location.parts:
                yield replace(found, path=self.home.name_of(Path(found.location)))

    def covers(self, path: str) -> bool:
        """Whether a path lies below a root."""
        return any(is_below(path, root) for root in self.roots)

    def read(self, file: SourceFile, count_tokens: CountTokens, max_tokens: int) -> list[Passage]:
        """The file's passages; raises UnreadableFile."""
        passages: list[Passage] = read_passages(file, count_tokens, max_tokens)
        return passages

"""Set corpus: the documents of an evaluation set as files to index."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from quiver.search.corpus import CountTokens
from quiver.search.passages import Passage, SourceFile


@dataclass(frozen=True)
class SetCorpus:
    """The documents of a set, each a file of one passage."""

    folder: Path
    documents: dict[str, str]

    def find(self) -> Iterator[SourceFile]:
        """A file for each document."""
        for name, text in self.documents.items():
            digest = hashlib.sha256(text.encode()).hexdigest()
            yield SourceFile(path=name, location=self.folder, size=len(text), modified_ns=0, digest=digest)

    def covers(self, path: str) -> bool:
        """Every path is a document's."""
        return True

    def read(self, file: SourceFile, count_tokens: CountTokens, max_tokens: int) -> list[Passage]:
        """The whole document."""
        return [
            Passage(
                text=self.documents[file.path],
                path=file.path,
                title="",
                headings=(),
                first_line=None,
                last_line=None,
                page=None,
                start=0,
            )
        ]

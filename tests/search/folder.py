"""A corpus of plain files, some hostile, and an embedder that can be slow."""

import hashlib
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from quiver.engine.plan import Usage
from quiver.errors import UnreadableFile
from quiver.models.fingerprint import Fingerprint
from quiver.results import Embeddings
from quiver.search.corpus import CountTokens
from quiver.search.passages import Passage, Skipped, SourceFile
from tests.search.examples import DIMENSION, fingerprint, passage, vector


def count_words(texts: Sequence[str]) -> list[int]:
    return [len(text.split()) for text in texts]


@dataclass(frozen=True)
class Folder:
    """Every file below a folder; each line is a passage, and some lines break their reader."""

    folder: Path

    def find(self) -> Iterator[SourceFile | Skipped]:
        for location in sorted(self.folder.rglob("*")):
            path = location.relative_to(self.folder).as_posix()
            if location.suffix == ".no":
                yield Skipped(path, "not wanted")
            elif location.is_file():
                content = location.read_bytes()
                yield SourceFile(
                    path=path,
                    location=location,
                    size=len(content),
                    modified_ns=0,
                    digest=hashlib.sha256(content).hexdigest(),
                )

    def covers(self, path: str) -> bool:
        return not path.startswith("elsewhere/")

    def read(self, file: SourceFile, count_tokens: CountTokens, max_tokens: int) -> list[Passage]:
        lines = file.location.read_text().splitlines()
        assert all(count <= max_tokens for count in count_tokens(lines))
        for line in lines:
            break_something(line)
        lines = ["\udc80" if line == "HALF" else line for line in lines]
        return [passage(line, file.path, start=number) for number, line in enumerate(lines)]


def break_something(line: str) -> None:
    match line:
        case "ENCRYPTED":
            raise UnreadableFile("it is encrypted")
        case "BUG":
            raise ZeroDivisionError("a bug of a parser")
        case "CRASH":
            os.abort()
        case "HANG":
            time.sleep(1000)
        case "BOMB":
            bytearray(64 * 2**30)
        case "PRINT":
            print("noise of a parser")


class SlowEmbedder:
    """Vectors that depend on nothing but the text, at so many seconds a text."""

    count_tokens = staticmethod(count_words)

    def __init__(self, seconds: float = 0.0, weights: str = "w") -> None:
        self.seconds = seconds
        self.fingerprint: Fingerprint = fingerprint(weights=weights)
        self.embedded: list[str] = []

    def encode_document(self, texts: list[str], *, show_progress_bar: bool | None = None) -> Embeddings:
        time.sleep(self.seconds * len(texts))
        self.embedded += texts
        tokens = sum(count_words(texts))
        rows = np.asarray([vector(text) for text in texts], np.float32).reshape(-1, DIMENSION)
        return Embeddings(rows, Usage(tokens, tokens), [], self.fingerprint)

"""Batches: files put together until their passages are worth a call of the embedder."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from quiver.search.described import described
from quiver.search.passages import Passage, SourceFile

MOST_CHARACTERS = 1_000_000
FIRST_CHARACTERS = 50_000
SECONDS_A_BATCH = 10.0
"""About as much work as a killed run loses."""


@dataclass(slots=True)
class Batch:
    """Whole files, embedded and stored together."""

    files: list[tuple[SourceFile, list[Passage]]] = field(default_factory=list)
    characters: int = 0

    @property
    def texts(self) -> list[str]:
        """What is embedded, file after file."""
        return [described(passage) for _, passages in self.files for passage in passages]


class BatchSize:
    """How many characters a batch should have to take ``SECONDS_A_BATCH``, by the speed so far."""

    def __init__(self) -> None:
        self.characters = FIRST_CHARACTERS

    def learn(self, characters: int, seconds: float) -> None:
        """Take note of how long a batch took; a size at most doubles."""
        fitting = int(SECONDS_A_BATCH * characters / max(seconds, 1e-3))
        self.characters = max(1, min(fitting, 2 * self.characters, MOST_CHARACTERS))


def batched(read: Iterable[tuple[SourceFile, list[Passage]]], size: BatchSize) -> Iterator[Batch]:
    """The files in batches; a file larger than a batch is one by itself."""
    batch = Batch()
    for file, passages in read:
        batch.files.append((file, passages))
        batch.characters += sum(len(passage.text) for passage in passages) + 100
        if batch.characters >= size.characters:
            yield batch
            batch = Batch()
    if batch.files:
        yield batch

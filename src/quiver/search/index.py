"""Index: bring a store up to date with the files of a corpus.

    find files -> compare digests -> read and chunk (other processes) -> embed (here) -> store (a thread)

The file is the unit: its passages appear together, in place of its old ones. Files are embedded and stored
in batches of some seconds: a run killed at any moment has lost no more, and the next one goes on from there.
"""

import time
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from quiver.engine.plan import Usage
from quiver.errors import FingerprintMismatch
from quiver.models.fingerprint import Fingerprint
from quiver.progress import progress_bar
from quiver.results import Embeddings
from quiver.search.batches import Batch, BatchSize, batched
from quiver.search.corpus import Corpus, CountTokens
from quiver.search.passages import Passage, Skipped, SourceFile
from quiver.search.reader import Assignment, read_files
from quiver.search.store import IndexedFile, Store


class DocumentEncoder(Protocol):
    """As much of an ``Embedder`` as indexing needs."""

    @property
    def fingerprint(self) -> Fingerprint:
        """The vector space."""

    @property
    def count_tokens(self) -> CountTokens:
        """Counts tokens, in other processes too."""

    def encode_document(self, texts: list[str], *, show_progress_bar: bool | None = ...) -> Embeddings:
        """Unit vectors [N, E]."""


@dataclass(slots=True, kw_only=True)
class IndexReport:
    """What a run did."""

    added: int = 0
    """Files that were new."""
    changed: int = 0
    """Files whose content was another."""
    unchanged: int = 0
    removed: int = 0
    """Files that are no longer there, or can no longer be read."""
    skipped: list[Skipped] = field(default_factory=list)
    passages: int = 0
    """Passages that were embedded."""
    usage: Usage = field(default_factory=Usage)
    seconds: float = 0.0

    @property
    def tokens_per_second(self) -> float:
        """Tokens that were embedded, by the time of the whole run."""
        return self.usage.tokens_in / self.seconds if self.seconds else 0.0


@dataclass(slots=True, kw_only=True)
class EmbeddedBatch:
    """Files that were read and embedded together."""

    files: list[IndexedFile]
    skipped: list[Skipped]
    """Files that could not be read."""
    usage: Usage
    size: int
    """Bytes of the files."""


EmbedFiles = Callable[[list[SourceFile]], Generator[EmbeddedBatch]]
"""Reads and embeds files, here or elsewhere; the same files give the same batches' contents."""


def update_index(
    store: Store,
    corpus: Corpus,
    embedder: DocumentEncoder,
    *,
    reading_processes: int = 1,
    show_progress_bar: bool | None = None,
) -> IndexReport:
    """Make the store hold what the corpus holds now; files outside of what the corpus covers stay.

    Raises FingerprintMismatch if the store's vectors are another embedder's, IndexBusy if another process
    writes, StoreError if the store cannot be written. Files that cannot be read are in the report.
    """
    check_fingerprint(store, embedder.fingerprint)
    assignment = Assignment(corpus, embedder.count_tokens, store.info.max_tokens)

    def embed_here(new: list[SourceFile]) -> Generator[EmbeddedBatch]:
        # Left to the garbage collector, it may end in one of its own threads, which cannot join itself.
        with closing(read_files(new, assignment, processes=reading_processes)) as read:
            yield from embedded(read, embedder)

    return update_index_by(store, corpus, embed_here, show_progress_bar=show_progress_bar)


def update_index_by(
    store: Store, corpus: Corpus, embed: EmbedFiles, *, show_progress_bar: bool | None = None
) -> IndexReport:
    """``update_index``, with reading and embedding done by ``embed``; its vectors must be the store's."""
    begun = time.monotonic()
    with store.writing():
        report, new = _compare(store, corpus)
        label, total = "Indexing", sum(file.size for file in new) / 1000
        run = _Run(store, report)
        with (
            progress_bar(label, round(total), show_progress_bar, unit="kB") as advance,
            closing(embed(new)) as batches,
        ):
            for batch in run.stored(batches):
                advance(round(batch.size / 1000))
        run.forget_unreadable()
        store.optimize()
    report.seconds = time.monotonic() - begun
    return report


def embedded(
    read: Iterable[tuple[SourceFile, list[Passage] | Skipped]], embedder: DocumentEncoder
) -> Iterator[EmbeddedBatch]:
    """Files in batches that take some seconds to embed."""
    size, skipped = BatchSize(), list[Skipped]()

    def readable() -> Iterator[tuple[SourceFile, list[Passage]]]:
        for file, passages in read:
            if isinstance(passages, Skipped):
                skipped.append(passages)
            else:
                yield file, passages

    for batch in batched(readable(), size):
        yield _embedded(batch, embedder, size, skipped[:])
        skipped.clear()
    if skipped:
        yield EmbeddedBatch(files=[], skipped=skipped, usage=Usage(), size=0)


def _embedded(
    batch: Batch, embedder: DocumentEncoder, size: BatchSize, skipped: list[Skipped]
) -> EmbeddedBatch:
    begun = time.monotonic()
    vectors = embedder.encode_document(batch.texts, show_progress_bar=False)
    size.learn(batch.characters, time.monotonic() - begun)
    files, first = [], 0
    for file, passages in batch.files:
        rows = np.asarray(vectors[first : first + len(passages)])
        first += len(passages)
        files.append(IndexedFile(path=file.path, digest=file.digest, passages=passages, vectors=rows))
    total = sum(file.size for file, _ in batch.files)
    return EmbeddedBatch(files=files, skipped=skipped, usage=vectors.usage, size=total)


def check_fingerprint(store: Store, own: Fingerprint) -> None:
    """Raise FingerprintMismatch, naming both and the way out, unless the store is of this space."""
    try:
        store.info.fingerprint.check(own)
    except FingerprintMismatch as error:
        raise FingerprintMismatch(
            f"the index was made with {store.info.fingerprint} and this embedder is {own}: {error}; "
            f"take the embedder of the index ({store.info.model or 'the built-in one'}), or embed all files "
            "again with this one: quiver reindex"
        ) from error


def _compare(store: Store, corpus: Corpus) -> tuple[IndexReport, list[SourceFile]]:
    """Remove what is gone, and tell what is to be read."""
    report, new = IndexReport(), []
    stored = store.files()
    gone = {path for path in stored if corpus.covers(path)}
    for file in corpus.find():
        if isinstance(file, Skipped):
            report.skipped.append(file)
            continue
        if not _is_unicode(file.path):
            report.skipped.append(Skipped(file.path, "its name is not UTF-8"))
            continue
        gone.discard(file.path)
        if stored.get(file.path) == file.digest:
            report.unchanged += 1
        else:
            new.append(file)
    store.remove(sorted(gone))
    report.removed = len(gone)
    return report, new


def _is_unicode(path: str) -> bool:
    """Whether a database can hold the name; Python reads other bytes in a name as halves of characters."""
    return not any("\ud800" <= character <= "\udfff" for character in path)


class _Run:
    """The files of one run on their way into the store."""

    def __init__(self, store: Store, report: IndexReport) -> None:
        self._store = store
        self._report = report
        self._stored = store.files()

    def stored(self, batches: Iterable[EmbeddedBatch]) -> Iterator[EmbeddedBatch]:
        """Store one batch while the next is embedded; a batch comes out when it is safe."""
        with ThreadPoolExecutor(1, thread_name_prefix="store") as pool:
            under_way: Future[EmbeddedBatch] | None = None
            for batch in batches:
                if under_way is not None:
                    yield under_way.result()
                under_way = pool.submit(self._put, batch)
            if under_way is not None:
                yield under_way.result()

    def forget_unreadable(self) -> None:
        """What could be read once and cannot now would only mislead."""
        lost = sorted({skipped.path for skipped in self._report.skipped} & self._stored.keys())
        self._store.remove(lost)
        self._report.removed += len(lost)

    def _put(self, batch: EmbeddedBatch) -> EmbeddedBatch:
        if batch.files:
            self._store.put(batch.files)
        for file in batch.files:
            if file.path in self._stored:
                self._report.changed += 1
            else:
                self._report.added += 1
            self._report.passages += len(file.passages)
        self._report.skipped += batch.skipped
        self._report.usage += batch.usage
        return batch

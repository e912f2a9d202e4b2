"""Index: bring a store up to date with the files of a corpus.

    find files -> compare digests -> read and chunk (other processes) -> embed (here) -> store (a thread)

The file is the unit: its passages appear together, in place of its old ones. Files are embedded and stored
in batches of some seconds: a run killed at any moment has lost no more, and the next one goes on from there.
"""

import time
from collections.abc import Iterator
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
    begun = time.monotonic()
    with store.writing():
        report, new = _compare(store, corpus)
        label, total = "Indexing", sum(file.size for file in new) / 1000
        run = _Run(store, embedder, report)
        assignment = Assignment(corpus, embedder.count_tokens, store.info.max_tokens)
        with (
            progress_bar(label, round(total), show_progress_bar, unit="kB") as advance,
            # Left to the garbage collector, it may end in one of its own threads, which cannot join itself.
            closing(read_files(new, assignment, processes=reading_processes)) as files,
        ):
            for batch in run.stored(batched(run.readable(files), run.size)):
                advance(round(sum(file.size for file, _ in batch.files) / 1000))
        run.forget_unreadable()
        store.optimize()
    report.seconds = time.monotonic() - begun
    return report


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

    def __init__(self, store: Store, embedder: DocumentEncoder, report: IndexReport) -> None:
        self._store = store
        self._embedder = embedder
        self._report = report
        self._stored = store.files()
        self.size = BatchSize()

    def readable(
        self, read: Iterator[tuple[SourceFile, list[Passage] | Skipped]]
    ) -> Iterator[tuple[SourceFile, list[Passage]]]:
        """The files that have passages; the others go into the report."""
        for file, passages in read:
            if isinstance(passages, Skipped):
                self._report.skipped.append(passages)
            else:
                yield file, passages

    def stored(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """Embed and store; a batch comes out when it is safe."""
        with ThreadPoolExecutor(1, thread_name_prefix="store") as pool:
            under_way: Future[Batch] | None = None
            for batch in batches:
                files = self._embed(batch)
                if under_way is not None:
                    yield under_way.result()
                under_way = pool.submit(self._put, batch, files)
            if under_way is not None:
                yield under_way.result()

    def forget_unreadable(self) -> None:
        """What could be read once and cannot now would only mislead."""
        lost = sorted({skipped.path for skipped in self._report.skipped} & self._stored.keys())
        self._store.remove(lost)
        self._report.removed += len(lost)

    def _embed(self, batch: Batch) -> list[IndexedFile]:
        begun = time.monotonic()
        vectors = self._embedder.encode_document(batch.texts, show_progress_bar=False)
        self.size.learn(batch.characters, time.monotonic() - begun)
        self._report.usage += vectors.usage
        files, first = [], 0
        for file, passages in batch.files:
            rows = np.asarray(vectors[first : first + len(passages)])
            first += len(passages)
            files.append(IndexedFile(path=file.path, digest=file.digest, passages=passages, vectors=rows))
        return files

    def _put(self, batch: Batch, files: list[IndexedFile]) -> Batch:
        self._store.put(files)
        for file in files:
            if file.path in self._stored:
                self._report.changed += 1
            else:
                self._report.added += 1
            self._report.passages += len(file.passages)
        return batch

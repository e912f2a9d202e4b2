"""Index: files into a store on a Ray cluster.

    compare digests here -> groups of files -> workers read, cut and embed -> the driver stores (one writer)

A group is a fixed list of files, so a lost worker's is done again as it was; a put replaces what a file had,
so no passage is there twice; a run that is started again finds the digests of what is stored. Ray Data hands
out groups no faster than the driver stores them.
"""

import pickle
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any

from quiver.cluster.connection import Workers, joined, quiet_data
from quiver.embedder import Embedder
from quiver.errors import ClusterError
from quiver.models.fingerprint import Fingerprint
from quiver.search.corpus import Corpus
from quiver.search.index import EmbeddedBatch, IndexReport, embedded, update_index_by
from quiver.search.passages import SourceFile
from quiver.search.reader import Assignment, read_files
from quiver.search.store import Store

GROUP_BYTES = 1_000_000
"""Files that a worker takes at a time; a larger file is a group by itself."""


def update_index_on_ray(
    store: Store,
    corpus: Corpus,
    model: Mapping[str, Any],
    workers: Workers | None = None,
    *,
    show_progress_bar: bool | None = None,
) -> IndexReport:
    """``update_index`` with the workers of a cluster, who must reach the files under the same paths.

    Args:
        store: of an index, which this process writes.
        corpus: finds and reads the files; must pickle.
        model: arguments of ``Embedder``, of the model that the store was created with.
        workers: where, and how many.
        show_progress_bar: None shows one on a terminal.

    Raises ClusterError if the cluster fails, and what ``update_index`` raises.
    """
    with joined(workers or Workers()) as count:
        quiet_data()

        def embed_there(new: list[SourceFile]) -> Generator[EmbeddedBatch]:
            yield from _embedded_there(new, store, corpus, model, workers or Workers(), count)

        return update_index_by(store, corpus, embed_there, show_progress_bar=show_progress_bar)


class GroupWorker:
    """Reads and embeds groups of files; a class that Ray Data makes once for each process."""

    def __init__(
        self, corpus: Corpus, model: Mapping[str, Any], fingerprint: Fingerprint, max_tokens: int
    ) -> None:
        self._embedder = Embedder(**model)
        fingerprint.check(self._embedder.fingerprint)
        self._assignment = Assignment(corpus, self._embedder.count_tokens, max_tokens)

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[bytes]]:
        """Groups to their batches and to files that are not there, pickled both."""
        return {"done": [pickle.dumps(self._done(pickle.loads(group))) for group in batch["group"]]}

    def _done(self, files: list[SourceFile]) -> tuple[list[EmbeddedBatch], list[SourceFile]]:
        read = read_files(files, self._assignment)
        return list(embedded(read, self._embedder)), [file for file in files if not file.location.exists()]


def _embedded_there(
    new: Sequence[SourceFile],
    store: Store,
    corpus: Corpus,
    model: Mapping[str, Any],
    workers: Workers,
    count: int,
) -> Iterator[EmbeddedBatch]:
    if not new:
        return
    import ray
    from ray.data import ActorPoolStrategy
    from ray.exceptions import RayError

    groups = [{"group": pickle.dumps(group)} for group in _grouped(new)]
    most = min(count, len(groups))
    done = ray.data.from_items(groups, override_num_blocks=len(groups)).map_batches(
        GroupWorker,
        fn_constructor_args=(corpus, model, store.info.fingerprint, store.info.max_tokens),
        batch_size=1,
        compute=ActorPoolStrategy(min_size=1, max_size=most, initial_size=most),
        num_cpus=workers.processors,
    )
    try:
        for row in done.iter_rows():
            batches, absent = pickle.loads(row["done"])
            _check_reached(absent)
            yield from batches
    except RayError as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[-1]
        raise ClusterError(
            f"the cluster gave up: {reason}; what is finished is kept, start the same command again"
        ) from error


def _grouped(files: Sequence[SourceFile]) -> Iterator[list[SourceFile]]:
    group: list[SourceFile] = []
    size = 0
    for file in files:
        group.append(file)
        size += file.size
        if size >= GROUP_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group


def _check_reached(absent: Sequence[SourceFile]) -> None:
    """Raise ClusterError if a worker does not see a file that the driver sees: it would leave the index."""
    for file in absent:
        if file.location.exists():
            raise ClusterError(
                f"a worker does not reach {file.location}; all nodes need the files under the same path"
            )

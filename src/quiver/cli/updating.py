"""Updating: who reads and embeds the files of an index, this process or a cluster."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from quiver.cli.loading import ModelOptions

if TYPE_CHECKING:
    from quiver.cluster.connection import Workers
    from quiver.embedder import Embedder
    from quiver.search.file_corpus import FileCorpus
    from quiver.search.index import IndexReport
    from quiver.search.store import Store

Update = Callable[["Store", "FileCorpus", bool | None], "IndexReport"]
"""Brings a store up to date with a corpus, with or without a bar."""


def update_here(
    embedder: "Embedder", store: "Store", corpus: "FileCorpus", show_progress: bool | None
) -> "IndexReport":
    """With this process's model."""
    from quiver.search.index import update_index

    return update_index(store, corpus, embedder, show_progress_bar=show_progress)


def update_on_ray(
    embedder: "Embedder",
    model: ModelOptions,
    workers: "Workers",
    store: "Store",
    corpus: "FileCorpus",
    show_progress: bool | None,
) -> "IndexReport":
    """With a cluster's workers, who open the same model; ``embedder`` tells whether it is the store's."""
    from quiver.cluster.index import update_index_on_ray
    from quiver.search.index import check_fingerprint

    check_fingerprint(store, embedder.fingerprint)
    arguments = model.embedder_arguments(None)
    return update_index_on_ray(store, corpus, arguments, workers, show_progress_bar=show_progress)

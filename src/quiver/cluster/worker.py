"""Worker: an engine that stays warm in a process of the cluster, and embeds one shard after the other.

Every worker of a node maps the same packed weights (docs/engine.md); the first one packs them.
"""

import pickle
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from quiver.cluster.output import PartCounts, PartWriter, counts_of, part_name
from quiver.cluster.shards import Shard, texts_of
from quiver.cluster.storage import Place
from quiver.embedder import Embedder
from quiver.errors import QuiverError
from quiver.results import Embeddings


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedSettings:
    """What is done to every text. Equal settings give equal vectors."""

    name: str
    """Of the model, for the files' metadata."""
    model: Mapping[str, Any]
    """Arguments of ``Embedder``."""
    prompt: Mapping[str, Any]
    """Arguments of ``Embedder.encode_stream``."""

    def record(self) -> dict[str, Any]:
        """As JSON; a server that runs the model stands there by its address."""
        plain = (str, int, float, bool, type(None))
        model = {
            name: value if isinstance(value, plain) else repr(value) for name, value in self.model.items()
        }
        return {"name": self.name, "model": model, "prompt": dict(self.prompt)}


class ShardWorker:
    """Embeds shards into parts; a class that Ray Data makes once for each process."""

    def __init__(self, settings: EmbedSettings, folder: str) -> None:
        self._settings = settings
        self._folder = Place(folder)
        self._embedder: Embedder | None = None

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[Any]]:
        """Shards, pickled by the driver, to what became of them."""
        return {"outcome": [self._outcome(pickle.loads(shard)) for shard in batch["shard"]]}

    def _outcome(self, shard: Shard) -> dict[str, Any]:
        """Counts, or the error of a user's mistake: Ray would wrap it, and try again what cannot succeed."""
        try:
            return {"counts": asdict(self.embed(shard)), "error": ""}
        except QuiverError as error:
            return {"counts": asdict(PartCounts()), "error": f"{type(error).__name__}: {error}"}

    def embed(self, shard: Shard) -> PartCounts:
        """Write the shard's part, unless a worker that was lost afterwards had written it."""
        held = counts_of(self._folder, shard)
        if held is not None:
            return held
        counts = PartCounts()

        def write(stream: Any) -> None:  # noqa: ANN401  (a file of any store)
            nonlocal counts
            part = PartWriter(stream, self._settings.name)
            for first, texts, vectors in self._blocks(shard):
                part.write(first, texts, vectors)
            part.finish()
            counts = part.counts

        (self._folder / part_name(shard.number)).write_whole(write)
        return counts

    def _blocks(self, shard: Shard) -> Iterator[tuple[int, list[str], Embeddings]]:
        waiting: deque[str] = deque()

        def remembered() -> Iterator[str]:
            for text in texts_of(shard.piece):
                waiting.append(text)
                yield text

        if self._embedder is None:
            self._embedder = Embedder(**self._settings.model)
        first = shard.first
        for vectors in self._embedder.encode_stream(
            remembered(), show_progress_bar=False, **self._settings.prompt
        ):
            yield first, [waiting.popleft() for _ in range(len(vectors))], vectors
            first += len(vectors)

"""Output: a folder of Parquet parts, one a shard, and a note of the job that they belong to.

job.json                 what is done: input, model, settings; a job that goes on must be the same
part-00000.parquet       index, text, tokens_cut, embedding; whole or not there
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from quiver.cluster.shards import Shard
from quiver.cluster.storage import Place
from quiver.errors import InputError, StoreError
from quiver.results import Embeddings
from quiver.rows.parquet import import_pyarrow

FORMAT = 1
JOB_NAME = "_job.json"
"""Readers of folders of Parquet pass over names that begin so."""


@dataclass(frozen=True, slots=True)
class PartCounts:
    """What a part holds."""

    rows: int = 0
    tokens_in: int = 0
    tokens_computed: int = 0
    texts_cut: int = 0
    tokens_cut: int = 0
    fingerprint: str = ""


class PartWriter:
    """Writes one part, block by block."""

    def __init__(self, stream: Any, model: str) -> None:  # noqa: ANN401  (a file of any store)
        self._arrow = import_pyarrow()
        self._stream = stream
        self._model = model
        self._writer: Any = None
        self.counts = PartCounts()

    def write(self, first: int, texts: Sequence[str], vectors: Embeddings) -> None:
        """Add texts from row ``first`` of the whole input on."""
        cut = {each.index: each.removed for each in vectors.cuts}
        before = self.counts.rows
        tokens_cut = [cut.get(before + position, 0) for position in range(len(texts))]
        flat = self._arrow.array(np.asarray(vectors).reshape(-1))
        columns = {
            "index": self._arrow.array(np.arange(first, first + len(texts))),
            "text": self._arrow.array(texts),
            "tokens_cut": self._arrow.array(np.asarray(tokens_cut)),
            "embedding": self._arrow.FixedSizeListArray.from_arrays(flat, vectors.shape[1]),
        }
        about = {"quiver.model": self._model, "quiver.fingerprint": str(vectors.fingerprint)}
        table = self._arrow.table(columns).replace_schema_metadata(about)
        if self._writer is None:
            self._writer = self._arrow.parquet.ParquetWriter(self._stream, table.schema)
        self._writer.write_table(table)
        self.counts = PartCounts(
            before + len(texts),
            self.counts.tokens_in + vectors.usage.tokens_in,
            self.counts.tokens_computed + vectors.usage.tokens_computed,
            self.counts.texts_cut + len(vectors.cuts),
            self.counts.tokens_cut + sum(cut.values()),
            str(vectors.fingerprint),
        )

    def finish(self) -> None:
        """Write the counts and the footer."""
        self._writer.add_key_value_metadata({"quiver.counts": json.dumps(asdict(self.counts))})
        self._writer.close()


def part_name(number: int) -> str:
    """The name of a shard's part."""
    return f"part-{number:05}.parquet"


def counts_of(folder: Place, shard: Shard) -> PartCounts | None:
    """What the shard's part holds; None if it is not there."""
    arrow = import_pyarrow()
    place = folder / part_name(shard.number)
    if not place.exists():
        return None
    with place.open() as stream:
        try:
            footer = arrow.parquet.ParquetFile(stream).metadata.metadata or {}
            return PartCounts(**json.loads(footer[b"quiver.counts"]))
        except (arrow.ArrowException, OSError, KeyError, ValueError, TypeError) as error:
            raise StoreError(f"{place.address} is damaged: {error}; remove it and run again") from error


def begin(folder: Place, shards: Sequence[Shard], settings: dict[str, Any]) -> set[int]:
    """Note the job down, or find it noted; gives the shards that are done.

    Raises InputError if the folder holds the output of another job.
    """
    named = hashlib.sha256(json.dumps([asdict(shard) for shard in shards]).encode()).hexdigest()
    job = {"format": FORMAT, "shards": len(shards), "input": named, "settings": settings}
    names = set(folder.names())
    if JOB_NAME not in names:
        if any(name.endswith(".parquet") for name in names):
            raise InputError(f"{folder.address} holds files of something else; name another --output")
        folder.make_folder()
        (folder / JOB_NAME).write_whole(lambda stream: stream.write(json.dumps(job, indent=1).encode()))
        return set()
    held = json.loads((folder / JOB_NAME).read())
    if held != job:
        differing = [name for name in job if held.get(name) != job[name]] or ["format"]
        raise InputError(
            f"{folder.address} holds the output of another job ({', '.join(differing)} differ); name another "
            "--output, or remove it"
        )
    return {shard.number for shard in shards if part_name(shard.number) in names}


def parts(folder: Place, shards: Sequence[Shard]) -> Iterator[Any]:
    """All parts as Arrow tables, in order."""
    arrow = import_pyarrow()
    for shard in shards:
        with (folder / part_name(shard.number)).open() as stream:
            yield arrow.parquet.read_table(stream)

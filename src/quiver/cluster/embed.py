"""Embed: files of texts to a folder of Parquet parts, or a LanceDB table, on a Ray cluster.

    cut files into shards -> Ray Data hands them to warm workers -> each writes its part -> the driver counts

What makes every row appear exactly once: a shard's rows and the name of its part do not depend on who runs
it, and a part appears whole or not at all. Ray runs the shards of a lost worker again, and the job that is
started again runs those without a part. Nothing but shards' places and counts goes through Ray's memory, and
a worker holds one shard at a time, so no queue can grow.
"""

import pickle
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from quiver.cluster.connection import Workers, joined, quiet_data
from quiver.cluster.output import PartCounts, begin, counts_of, part_name, parts
from quiver.cluster.shards import Piece, Shard, Source, numbered, pieces_of
from quiver.cluster.storage import Place
from quiver.cluster.worker import EmbedSettings, ShardWorker
from quiver.errors import ClusterError, FingerprintMismatch, InputError, StoreError
from quiver.progress import progress_bar

PART_ROWS = 4096
"""Rows of a part; a lost worker loses at most so much work."""
LANCE_ENDING = ".lance"
PARTS_BESIDE = ".parts"
"""Added to the name of a LanceDB table for the folder of its parts."""


@dataclass(slots=True, kw_only=True)
class EmbedReport:
    """What a job did."""

    shards: int = 0
    found: int = 0
    """Shards that an earlier run had done."""
    total: PartCounts = field(default_factory=PartCounts)
    """Over the whole output."""
    seconds: float = 0.0
    """Of embedding, without joining the cluster and cutting."""
    workers: int = 0

    @property
    def dimension(self) -> int:
        """Values of a vector."""
        return int(self.total.fingerprint.split(":")[5])


def embed_files(
    sources: Sequence[Source],
    output: str,
    settings: EmbedSettings,
    workers: Workers | None = None,
    *,
    part_rows: int = PART_ROWS,
    show_progress_bar: bool | None = None,
) -> EmbedReport:
    """Embed every row of the files, in order, once.

    Args:
        sources: files that all nodes reach under the same address.
        output: a folder for parts, or NAME.lance for a table of LanceDB; an unfinished job there goes on.
        settings: model and prompt.
        workers: where, and how many.
        part_rows: rows of a part.
        show_progress_bar: None shows one on a terminal.

    Raises ClusterError if the cluster fails, InputError if a file cannot be read or the output is another
    job's, FingerprintMismatch if nodes or runs compute in different precisions or with different weights.
    """
    is_table = output.rstrip("/").endswith(LANCE_ENDING)
    folder = Place(Place(f"{output.rstrip('/')}{PARTS_BESIDE}" if is_table else output).absolute)
    with joined(workers or Workers()) as count:
        quiet_data()
        shards = numbered(_cut(sources, part_rows))
        if not shards:
            raise InputError(f"{', '.join(source.address for source in sources)}: there are no texts")
        done = begin(folder, shards, settings.record())
        rows = sum(shard.piece.rows for shard in shards)
        begun = time.monotonic()
        report = EmbedReport(shards=len(shards), found=len(done), workers=count)
        with progress_bar("Embedding", rows, show_progress_bar, unit="rows") as advance:
            for number in sorted(done):
                held = counts_of(folder, shards[number])
                assert held is not None
                report.total = _added(report.total, held)
                advance(held.rows)
            left = [shard for shard in shards if shard.number not in done]
            for counts in _run(left, folder, settings, workers or Workers(), count):
                report.total = _added(report.total, counts)
                advance(counts.rows)
        report.seconds = time.monotonic() - begun
    _check_whole(folder, shards, report.total)
    folder.remove_unfinished({part_name(shard.number) for shard in shards})
    if is_table:
        _write_table(output.rstrip("/"), folder, shards)
    return report


def _cut(sources: Sequence[Source], rows: int) -> list[list[Piece]]:
    """The pieces of all files, cut side by side."""
    import ray

    cut = ray.remote(num_cpus=1, max_retries=-1)(_pieces_or_error)
    outcomes: list[list[Piece] | str] = ray.get([cut.remote(source, rows) for source in sources])
    for outcome in outcomes:
        if isinstance(outcome, str):
            raise InputError(outcome)
    return [outcome for outcome in outcomes if not isinstance(outcome, str)]


def _pieces_or_error(source: Source, rows: int) -> list[Piece] | str:
    try:
        return pieces_of(source, rows)
    except InputError as error:
        return str(error)
    except OSError as error:
        return f"{source.address} cannot be read: {error.strerror or error}"


def _run(
    left: Sequence[Shard],
    folder: Place,
    settings: EmbedSettings,
    workers: Workers,
    count: int,
) -> Iterator[PartCounts]:
    """Counts of shards as they are finished, in any order."""
    if not left:
        return
    import ray
    from ray.data import ActorPoolStrategy
    from ray.exceptions import RayError

    most = min(count, len(left))
    items = [{"shard": pickle.dumps(shard)} for shard in left]
    outcomes = ray.data.from_items(items, override_num_blocks=len(items)).map_batches(
        ShardWorker,
        fn_constructor_args=(settings, folder.address),
        batch_size=1,
        compute=ActorPoolStrategy(min_size=1, max_size=most, initial_size=most),
        num_cpus=workers.processors,
    )
    try:
        for row in outcomes.iter_rows():
            if row["outcome"]["error"]:
                raise _error_of(row["outcome"]["error"])
            yield PartCounts(**row["outcome"]["counts"])
    except RayError as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[-1]
        raise ClusterError(
            f"the cluster gave up: {reason}; what is finished is kept, start the same command again"
        ) from error


def _error_of(told: str) -> Exception:
    """The error that a worker told."""
    from quiver import errors

    kind, _, message = told.partition(": ")
    found = getattr(errors, kind, ClusterError)
    error: Exception = found(message)
    return error


def _added(one: PartCounts, other: PartCounts) -> PartCounts:
    if one.fingerprint and one.fingerprint != other.fingerprint:
        raise FingerprintMismatch(
            f"parts of this job have different fingerprints, {one.fingerprint} and {other.fingerprint}; "
            "nodes whose processors differ compute alike with --dtype float32, and a model must not change "
            "meanwhile"
        )
    return PartCounts(
        one.rows + other.rows,
        one.tokens_in + other.tokens_in,
        one.tokens_computed + other.tokens_computed,
        one.texts_cut + other.texts_cut,
        one.tokens_cut + other.tokens_cut,
        other.fingerprint,
    )


def _check_whole(folder: Place, shards: Sequence[Shard], total: PartCounts) -> None:
    """Raise StoreError unless each shard has its part, and the rows are those of the input."""
    missing = {part_name(shard.number) for shard in shards} - set(folder.names())
    rows = sum(shard.piece.rows for shard in shards)
    if missing or total.rows != rows:
        raise StoreError(
            f"{folder.address} is not whole: {len(missing)} parts are missing, {total.rows:,} of {rows:,} "
            "rows were counted; do all nodes write to the same place? Start the same command again"
        )


def _write_table(address: str, folder: Place, shards: Sequence[Shard]) -> None:
    """A table of LanceDB out of all parts, in one commit."""
    try:
        import lancedb
    except ImportError:
        raise InputError("a LanceDB table needs lancedb: pip install 'quiver-embed[search]'") from None
    parent, _, name = address.rpartition("/")
    first = next(parts(folder, shards[:1]))
    batches = (batch for table in parts(folder, shards) for batch in table.to_batches())
    try:
        database = lancedb.connect(parent or ".")
        database.create_table(
            name.removesuffix(LANCE_ENDING), data=batches, schema=first.schema, mode="overwrite"
        )
    except (OSError, RuntimeError, ValueError) as error:
        raise StoreError(f"{address} cannot be written: {str(error).splitlines()[0]}") from error

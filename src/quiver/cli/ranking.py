"""Rankings out: as JSONL and Parquet files, and as a table for the eye."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quiver.cli.parquet import ParquetTable
from quiver.cli.tables import Column, write_table
from quiver.cli.target import Target, open_target
from quiver.cli.write import OutputFormat, exact, write_records


@dataclass(frozen=True, slots=True, kw_only=True)
class RankedText:
    """One document of a ranking, as it is printed."""

    rank: int
    index: int
    """Position of the document in the whole input."""
    score: float
    log_odds: float
    text: str
    tokens_cut: int


WriteRanking = Callable[[Sequence[RankedText], Mapping[str, str]], None]
"""Takes the ranking, and its origin for formats that have a place for it."""


@contextmanager
def open_ranking(chosen: OutputFormat, output: Path | None) -> Iterator[WriteRanking]:
    """Open a file or standard output for one ranking."""
    with open_target(output) as target:

        def write(ranking: Sequence[RankedText], origin: Mapping[str, str]) -> None:
            match chosen:
                case OutputFormat.JSONL:
                    _write_jsonl(target, ranking)
                case OutputFormat.PARQUET:
                    _write_parquet(target, ranking, origin)
                case _:
                    _write_table(target, ranking)

        yield write


def _write_jsonl(target: Target, ranking: Sequence[RankedText]) -> None:
    write_records(target, map(_record, ranking))


def _record(document: RankedText) -> dict[str, Any]:
    record = dataclasses.asdict(document)
    record |= {"score": exact(document.score), "log_odds": exact(document.log_odds)}
    if not document.tokens_cut:
        del record["tokens_cut"]
    return record


def _write_parquet(target: Target, ranking: Sequence[RankedText], origin: Mapping[str, str]) -> None:
    table = ParquetTable(target)
    names = [field.name for field in dataclasses.fields(RankedText)]
    table.write({name: [getattr(document, name) for document in ranking] for name in names}, origin)
    table.finish()


def _write_table(target: Target, ranking: Sequence[RankedText]) -> None:
    columns = (
        Column("rank", align="right"),
        Column("score", align="right"),
        Column("index", align="right"),
        Column("text", flexible=True),
    )
    rows = ((str(d.rank), f"{d.score:.4f}", str(d.index), d.text) for d in ranking)
    write_table(target, columns, rows)

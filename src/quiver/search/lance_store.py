"""Lance store: the default, LanceDB in a folder.

``put`` is three commits of LanceDB, each atomic: the files' digests are emptied, their passages replaced,
their digests written. A process killed in between leaves files without digests, which the next run puts
again; readers see a file's old passages or its new ones.
"""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import lancedb
import numpy as np
import pyarrow as pa
from lancedb.index import FTS, IvfPq
from lancedb.query import MatchQuery
from lancedb.table import Table

from quiver.errors import NoIndex, StoreError
from quiver.results import Floats
from quiver.search.filters import Column, Comparison, Filter, key_of, keys_of, render
from quiver.search.info_file import read_info, write_info
from quiver.search.lance_rows import (
    FILES,
    SHOWN,
    file_table,
    found_of,
    passage_schema,
    passage_table,
    vectors_of,
)
from quiver.search.lock import only_writer
from quiver.search.store import Found, IndexedFile, IndexInfo
from quiver.search.stored_passage import passage_of
from quiver.text.terms import terms
from quiver.whole_file import write_whole

INFO_NAME = "index.json"

EXACT_BYTES = 128 * 2**20
"""Vectors that are compared one by one; that many stream through memory in about 10 ms."""
SHORTLIST_FACTOR = 10
"""Candidates that short vectors find for each result of the whole ones."""
PROBES = 32
"""Partitions of the vector index that a query looks into."""
REFINED = 20
"""Vectors read whole for each result, of those that their quantised forms bring to the top."""
READERS_GRACE = timedelta(hours=1)
"""How long a reader may take over one query before the version that it reads is removed."""
PATHS_AT_ONCE = 500
"""In one SQL statement."""


class LanceStore:
    """A ``Store`` in a folder. ``create`` makes one, the constructor opens it."""

    def __init__(self, folder: Path, *, exact_bytes: int = EXACT_BYTES) -> None:
        """Open an index; raises StoreError if there is none."""
        self._folder = folder
        self._exact_bytes = exact_bytes
        try:
            content = (folder / INFO_NAME).read_bytes()
        except OSError as error:
            raise NoIndex(f"there is no index in {folder}; make one with: quiver index PATH") from error
        self._info = read_info(content, str(folder / INFO_NAME))

    @classmethod
    def create(cls, folder: Path, info: IndexInfo, *, exact_bytes: int = EXACT_BYTES) -> "LanceStore":
        """Make an empty index, and the folder for it; raises StoreError if it cannot be or there is one."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with only_writer(folder):
                _create_tables(folder, info)
        except (OSError, RuntimeError) as error:
            reason = getattr(error, "strerror", None) or error
            raise StoreError(f"no index can be made in {folder}: {reason}") from error
        return cls(folder, exact_bytes=exact_bytes)

    @property
    def info(self) -> IndexInfo:
        """What the index was created with."""
        return self._info

    def writing(self) -> AbstractContextManager[None]:
        """Be the only writer while the context lasts; raises IndexBusy, naming the other."""
        return only_writer(self._folder)

    def files(self) -> dict[str, str]:
        """Digests by path; an empty one is a file that a killed run left in unknown state."""
        with self._database():
            rows = self._files.to_arrow()
        return dict(zip(rows["path"].to_pylist(), rows["digest"].to_pylist(), strict=True))

    def put(self, files: Sequence[IndexedFile]) -> None:
        """Add files, each in place of what the index held under its path."""
        known = self.files()
        replaced = [file.path for file in files if file.path in known]
        with self._database():
            self._write_digests(file_table(files, finished=False))
            self._replace(passage_table(files, self._schema), replaced)
            self._write_digests(file_table(files, finished=True))

    def remove(self, paths: Sequence[str]) -> None:
        """Forget files and their passages; unknown paths are none."""
        with self._database():
            for start in range(0, len(paths), PATHS_AT_ONCE):
                named = _one_of("path", paths[start : start + PATHS_AT_ONCE])
                self._passages.delete(named)
                self._files.delete(named)

    def optimize(self) -> None:
        """Merge small files, and bring the indexes of words and vectors up to date."""
        with self._database():
            indexed = {column for index in self._passages.list_indices() for column in index.columns}
            rows = self._passages.count_rows()
            if rows and "terms" not in indexed:
                self._passages.create_index("terms", config=_full_text())
            if self._is_large(rows) and self._searched not in indexed:
                self._passages.create_index(self._searched, config=self._nearest())
            for table in (self._passages, self._files):
                table.optimize(cleanup_older_than=READERS_GRACE)

    def count(self) -> int:
        """Number of passages."""
        with self._database():
            return int(self._passages.count_rows())

    def search_vectors(
        self, vector: Floats, count: int, where: Filter | None = None, *, exact: bool = False
    ) -> list[Found]:
        """Passages of highest cosine with a unit vector [dimension], best first."""
        query = np.asarray(vector, np.float32)
        column = "vector" if exact else self._searched
        wanted = count if column == "vector" else SHORTLIST_FACTOR * count
        beginning = query[: self._schema.field(column).type.list_size]
        with self._database():
            search: Any = self._passages.search(beginning, vector_column_name=column)
            search = search.distance_type("cosine").limit(wanted).select([*SHOWN, "vector", "_distance"])
            search = search.bypass_vector_index() if exact else search.nprobes(PROBES).refine_factor(REFINED)
            if where is not None:
                search = search.where(_sql(where))
            rows = search.to_arrow()
        cosines = vectors_of(rows, len(query)) @ query
        return _best(rows, cosines.tolist(), count)

    def search_text(self, query: str, count: int, where: Filter | None = None) -> list[Found]:
        """Passages that share words with the query, by BM25, best first."""
        words = " ".join(dict.fromkeys(terms(query)))
        if not words or not self.count():
            return []
        with self._database():
            search: Any = self._passages.search(_any_word(words), query_type="fts")
            search = search.limit(count).select([*SHOWN, "_score"])
            if where is not None:
                search = search.where(_sql(where))
            rows = search.to_arrow()
        return _best(rows, rows["_score"].to_pylist(), count)

    def read(self, path: str) -> IndexedFile | None:
        """All of a file, passages in their order; None if it is not there."""
        named = _one_of("path", [path])
        with self._database():
            digests = self._files.search().where(named).to_arrow()["digest"].to_pylist()
            rows = self._passages.search().where(named).select([*SHOWN, "vector"]).to_arrow()
        if not digests:
            return None
        rows = rows.sort_by("number")
        return IndexedFile(
            path=path,
            digest=digests[0],
            passages=[passage_of(row) for row in rows.select(SHOWN).to_pylist()],
            vectors=vectors_of(rows, self.info.fingerprint.dimension),
        )

    def close(self) -> None:
        """Nothing to let go of: every call opens what it needs."""

    @property
    def _searched(self) -> str:
        return "vector" if self.info.shortlist_dimension is None else "short"

    def _nearest(self) -> IvfPq:
        """A byte for eight values, twice LanceDB's default: neighbours keep their order better."""
        dimension: int = self._schema.field(self._searched).type.list_size
        return IvfPq(distance_type="cosine", num_sub_vectors=dimension // 8 if dimension % 8 == 0 else None)

    def _is_large(self, rows: int) -> bool:
        return bool(rows * self._schema.field(self._searched).type.list_size * 4 > self._exact_bytes)

    @cached_property
    def _schema(self) -> pa.Schema:
        return passage_schema(self.info)

    @cached_property
    def _connection(self) -> lancedb.DBConnection:
        # Every search looks for the newest version: another process may be writing.
        return lancedb.connect(self._folder, read_consistency_interval=timedelta(0))

    @cached_property
    def _passages(self) -> Table:
        return self._connection.open_table("passages")

    @cached_property
    def _files(self) -> Table:
        return self._connection.open_table("files")

    def _write_digests(self, rows: pa.Table) -> None:
        merge = self._files.merge_insert("path")
        merge.when_matched_update_all().when_not_matched_insert_all().execute(rows)

    def _replace(self, rows: pa.Table, replaced: Sequence[str]) -> None:
        """Add passages, and in the same commit drop all others of the replaced files."""
        if not replaced:
            if len(rows):
                self._passages.add(rows)
            return
        if not len(rows):
            self._passages.delete(_one_of("path", replaced))
            return
        merge = self._passages.merge_insert(["path", "number"])
        merge = merge.when_matched_update_all().when_not_matched_insert_all()
        merge.when_not_matched_by_source_delete(_one_of("path", replaced)).execute(rows)

    @contextmanager
    def _database(self) -> Iterator[None]:
        """LanceDB's errors, which are Python's own classes, as ours."""
        try:
            yield
        except (OSError, RuntimeError, ValueError) as error:
            reason = str(error).splitlines()[0]
            if "no space left" in reason.lower():
                reason = "the disk is full; free some space and run again: what was finished is kept"
            raise StoreError(f"the index in {self._folder}: {reason}") from error


def _create_tables(folder: Path, info: IndexInfo) -> None:
    """Make the tables, over what a killed process may have left; an index with an info file is whole."""
    if (folder / INFO_NAME).exists():
        raise StoreError(f"there is an index in {folder} already")
    database = lancedb.connect(folder)
    for name, schema in (("passages", passage_schema(info)), ("files", FILES)):
        shutil.rmtree(folder / f"{name}.lance", ignore_errors=True)
        database.create_table(name, schema=schema)
    write_whole(folder / INFO_NAME, [write_info(info)])


def _full_text() -> FTS:
    """Terms are cut by us and stand between blanks."""
    return FTS(
        base_tokenizer="whitespace",
        lower_case=False,
        stem=False,
        remove_stop_words=False,
        ascii_folding=False,
        max_token_length=None,
    )


def _any_word(words: str) -> Any:  # noqa: ANN401  (its stubs miss the defaults)
    return MatchQuery(words, "terms")  # type: ignore[call-arg]


def _best(rows: pa.Table, scores: Sequence[float], count: int) -> list[Found]:
    shown = rows.select(SHOWN).to_pylist()
    found = [found_of(row, score) for row, score in zip(shown, scores, strict=True)]
    found.sort(key=lambda each: (-each.score, each.passage.path, each.number))
    return found[:count]


def _sql(where: Filter) -> str:
    return render(where, _comparison, _is_null)


def _comparison(comparison: Comparison) -> str:
    column, value = comparison.column, comparison.value
    if not column.in_metadata:
        return f"{column.name} {comparison.operator} {_literal(value)}"
    getter = "json_get_string" if isinstance(value, str) else "json_get_float"
    return f"{getter}(keys, {_literal(key_of(column, value))}) {comparison.operator} {_literal(value)}"


def _is_null(column: Column) -> str:
    if not column.in_metadata:
        return f"{column.name} IS NULL"
    parts = [f"json_get_string(keys, {_literal(key)}) IS NULL" for key in keys_of(column)]
    return f"({' AND '.join(parts)})"


def _literal(value: str | float) -> str:
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return repr(float(value) if isinstance(value, bool) else value)


def _one_of(column: str, values: Sequence[str]) -> str:
    return f"{column} IN ({', '.join(map(_literal, values))})"

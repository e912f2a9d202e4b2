"""Versioned store: a ``Store`` on a database that has no transactions.

Rows are never changed in place: a change inserts its rows from the next number on, ends the old ones at that
number, and one note then raises the number that readers go by. So a change appears as a whole or not at all.
A killed writer leaves rows of a number that never came; the next writer drops them. Rows that ended are kept
for a while, since a reader may still go by an older number.
"""

import hashlib
import json
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from quiver.embedder import normalize
from quiver.errors import StoreError
from quiver.results import Floats
from quiver.search.described import described
from quiver.search.filter_logic import affirmative, holds
from quiver.search.filters import And, Column, Comparison, Filter, filter_keys
from quiver.search.info_file import read_info
from quiver.search.passages import Passage
from quiver.search.store import Found, IndexedFile, IndexInfo
from quiver.search.stored_passage import columns_of, passage_of
from quiver.search.versioned import state as states
from quiver.search.versioned.state import State
from quiver.search.versioned.tables import (
    FOREVER,
    SHOWN,
    Row,
    Table,
    Tables,
    equals,
    holding_at,
    one_of,
)
from quiver.search.versioned.words import CANDIDATES_FACTOR, bm25, rarity, term_number, term_weights
from quiver.text.terms import terms

TABLES: tuple[Table, ...] = ("passages", "files")
PATHS_AT_ONCE = 500
"""In one filter."""
ROWS_AT_ONCE = 256
"""In one request, of which 4,096 values a vector make 20 MB of JSON."""
MORE = 4
"""Times as many candidates, if too few meet a filter that is tested here."""


class VersionedStore:
    """A ``Store`` over tables."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._info = read_info(tables.info, tables.name)
        self._check_writer: Callable[[], None] = lambda: None

    @property
    def info(self) -> IndexInfo:
        """What the index was created with."""
        return self._info

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Be the only writer while the context lasts; raises IndexBusy, naming the other."""
        with self._tables.writing() as check:
            self._check_writer = check
            try:
                yield
            finally:
                self._check_writer = lambda: None

    def files(self) -> dict[str, str]:
        """Digests by path."""
        now = holding_at(self._state().committed)
        return {row["path"]: row["digest"] for row in self._tables.select("files", now, ["path", "digest"])}

    def put(self, files: Sequence[IndexedFile]) -> None:
        """Add files, each in place of what the index held under its path."""
        last = {file.path: file for file in files}
        with self._changing(list(last)) as change:
            for file in last.values():
                change.add(file, self.info)

    def remove(self, paths: Sequence[str]) -> None:
        """Forget files and their passages; unknown paths are none."""
        if paths:
            with self._changing(paths):
                pass

    def optimize(self) -> None:
        """Drop what no reader sees any more, and build indexes where the size asks for them."""
        self._drop_ended(self._cleaned())
        self._tables.arrange()

    def count(self) -> int:
        """Number of passages."""
        return self._state().passages

    def search_vectors(
        self, vector: Floats, count: int, where: Filter | None = None, *, exact: bool = False
    ) -> list[Found]:
        """Passages of highest cosine with a unit vector [dimension], best first."""
        query = np.asarray(vector, np.float32)

        def search(wanted: int, pushed: Filter) -> list[tuple[Row, float]]:
            return self._tables.nearest(query, wanted, pushed, exact=exact, narrowed=where is not None)

        return self._best(count, where, self._state(), search)

    def search_text(self, query: str, count: int, where: Filter | None = None) -> list[Found]:
        """Passages that share words with the query, by BM25, best first."""
        state = self._state()
        now = holding_at(state.committed)
        holders = {word: self._tables.count(term_number(word), now) for word in dict.fromkeys(terms(query))}
        rarities = {word: rarity(number, state.passages) for word, number in holders.items() if number}
        if not rarities:
            return []
        weights = {term_number(word): weight for word, weight in rarities.items()}

        def search(wanted: int, pushed: Filter) -> list[tuple[Row, float]]:
            rows = self._tables.with_terms(weights, CANDIDATES_FACTOR * wanted, pushed)
            scored = [(row, bm25(rarities, row["words"], state.mean_length)) for row in rows]
            return [pair for pair in scored if pair[1] > 0]

        return self._best(count, where, state, search)

    def read(self, path: str) -> IndexedFile | None:
        """All of a file, passages in their order; None if it is not there."""
        chosen = And((equals("path", path), holding_at(self._state().committed)))
        found = list(self._tables.select("files", chosen, ["path", "digest"]))
        if not found:
            return None
        rows = sorted(
            self._tables.select("passages", chosen, [*SHOWN, "vector"]), key=lambda row: int(row["number"])
        )
        vectors = [row["vector"] for row in rows]
        return IndexedFile(
            path=path,
            digest=found[0]["digest"],
            passages=[_passage(row) for row in rows],
            vectors=np.asarray(vectors, np.float32).reshape(-1, self.info.fingerprint.dimension),
        )

    def close(self) -> None:
        """Let go of the database."""
        self._tables.close()

    def _state(self) -> State:
        return State.parse(self._tables.read_note(states.NOTE), self._tables.name)

    def _write(self, state: State) -> State:
        self._check_writer()
        self._tables.write_note(states.NOTE, state.note())
        return state

    def _best(
        self,
        count: int,
        where: Filter | None,
        state: State,
        search: Callable[[int, Filter], list[tuple[Row, float]]],
    ) -> list[Found]:
        """The best passages that meet the filter; what the database cannot test of it is tested here."""
        now = holding_at(state.committed)
        if where is None:
            return _ordered([_found(row, score) for row, score in search(count, now)], count)
        asked = affirmative(where)
        pushed = And((now, asked))
        wanted, seen = count, -1
        while True:
            candidates = search(wanted, pushed)
            found = [_found(row, score) for row, score in candidates]
            if not self._tables.understands(asked):
                found = [each for each in found if holds(asked, each.passage)]
            if len(found) >= count or len(candidates) < wanted or len(candidates) == seen:
                return _ordered(found, count)
            wanted, seen = MORE * wanted, len(candidates)

    @contextmanager
    def _changing(self, paths: Sequence[str]) -> Iterator["_Change"]:
        """End the rows of the paths, and make whatever happens inside appear at once."""
        state = self._cleaned()
        state = self._write(replace(state, begun=state.committed + 1))
        change = _Change(self._tables, state)
        for start in range(0, len(paths), PATHS_AT_ONCE):
            change.end(paths[start : start + PATHS_AT_ONCE])
        yield change
        change.flush()
        self._drop_ended(self._write(state.after(change.passages, change.words)))

    def _cleaned(self) -> State:
        """The state, after what a killed writer left is undone."""
        state = self._state()
        if state.begun == state.committed:
            return state
        self._check_writer()
        for table in TABLES:
            self._tables.delete(table, _unfinished("born", state.committed))
            self._tables.end(table, _unfinished("died", state.committed), FOREVER)
        return self._write(replace(state, begun=state.committed))

    def _drop_ended(self, state: State) -> None:
        after = state.watching()
        if after == state:
            return
        for table in TABLES:
            self._tables.delete(table, Comparison(Column("died"), "<=", after.ended_by))
        self._write(after)


class _Change:
    """Rows on their way into the tables, of a number that readers do not go by yet."""

    def __init__(self, tables: Tables, state: State) -> None:
        self.tables = tables
        self.state = state
        self.passages = 0
        """Added, less those that end."""
        self.words = 0
        self._waiting: dict[Table, list[Row]] = {table: [] for table in TABLES}

    def end(self, paths: Sequence[str]) -> None:
        """End what holds under the paths."""
        held = And((one_of("path", paths), equals("died", FOREVER)))
        found = list(self.tables.select("files", held, ["path", "passages", "words"]))
        if not found:
            return
        self.passages -= sum(row["passages"] for row in found)
        self.words -= sum(row["words"] for row in found)
        ended = And((one_of("path", [row["path"] for row in found]), equals("died", FOREVER)))
        for table in TABLES:
            self.tables.end(table, ended, self.state.begun)

    def add(self, file: IndexedFile, info: IndexInfo) -> None:
        """Add a file."""
        vectors = np.asarray(file.vectors, np.float32).reshape(-1, info.fingerprint.dimension)
        short = normalize(vectors[:, : info.shortlist_dimension or 1])
        words = 0
        for number, (passage, vector, beginning) in enumerate(
            zip(file.passages, vectors, short, strict=True)
        ):
            own = terms(described(passage))
            words += len(own)
            row = self._row(number, passage, own)
            row["vector"] = vector
            if info.shortlist_dimension is not None:
                row["short"] = beginning
            self._insert("passages", row)
        self.passages += len(file.passages)
        self.words += words
        about = {"digest": file.digest, "passages": len(file.passages), "words": words}
        self._insert("files", self._identity(file.path) | about)

    def flush(self) -> None:
        """Write what is waiting."""
        for table, rows in self._waiting.items():
            if rows:
                self.tables.insert(table, rows)
                rows.clear()

    def _insert(self, table: Table, row: Row) -> None:
        rows = self._waiting[table]
        rows.append(row)
        if len(rows) >= ROWS_AT_ONCE:
            self.tables.insert(table, rows)
            rows.clear()

    def _row(self, number: int, passage: Passage, own: list[str]) -> Row:
        # The mean of what holds already is near enough: scores are counted again with the mean of the day.
        mean = self.state.mean_length or len(own)
        return (
            self._identity(passage.path, number)
            | columns_of(number, passage)
            | {
                "keys": filter_keys(passage.metadata),
                "words": " ".join(own),
                "weights": term_weights(own, mean),
            }
        )

    def _identity(self, path: str, number: int = 0) -> Row:
        name = json.dumps([path, number, self.state.begun]).encode()
        return {
            "id": str(uuid.UUID(bytes=hashlib.sha256(name).digest()[:16])),
            "path": path,
            "born": self.state.begun,
            "died": FOREVER,
        }


def _unfinished(column: str, committed: int) -> Filter:
    return And((Comparison(Column(column), ">", committed), Comparison(Column(column), "<", FOREVER)))


def _found(row: Row, score: float) -> Found:
    return Found(_passage(row), int(row["number"]), score)


def _ordered(found: list[Found], count: int) -> list[Found]:
    found.sort(key=lambda each: (-each.score, each.passage.path, each.number))
    return found[:count]


def _passage(row: Row) -> Passage:
    try:
        return passage_of(row)
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(f"a passage of the index is damaged: {error}") from error

"""Files and vectors to index, and a naive store in memory that says what every other should find."""

import hashlib
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from quiver.embedder import normalize
from quiver.models.fingerprint import Fingerprint
from quiver.results import Floats
from quiver.search.described import described, heading_trail
from quiver.search.filters import And, Column, Comparison, Filter, IsNull, Not, Or
from quiver.search.passages import Passage, Scalar
from quiver.search.store import Found, IndexedFile, IndexInfo
from quiver.text.terms import terms

DIMENSION = 8


def fingerprint(dimension: int = DIMENSION, weights: str = "w") -> Fingerprint:
    return Fingerprint(
        weights=weights,
        tokenizer="t",
        pooling="last-token",
        prompts="p",
        dimension=dimension,
        precision="float32",
    )


def info(**changes: Any) -> IndexInfo:
    settings: dict[str, Any] = {"model": None, "fingerprint": fingerprint(), "max_tokens": 100}
    return IndexInfo(**settings | changes)


def vector(text: str, dimension: int = DIMENSION) -> Floats:
    """Some unit vector that depends on nothing but the text."""
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
    row = np.random.default_rng(seed).standard_normal((1, dimension)).astype(np.float32)
    unit: Floats = normalize(row)[0]
    return unit


def passage(text: str, path: str = "a.txt", **changes: Any) -> Passage:
    settings: dict[str, Any] = {
        "title": "",
        "headings": (),
        "first_line": 1,
        "last_line": 1,
        "page": None,
        "start": 0,
    }
    return Passage(text=text, path=path, **settings | changes)


def file(path: str, *texts: str, dimension: int = DIMENSION, **changes: Any) -> IndexedFile:
    """A file of one passage a text."""
    passages = [passage(text, path, start=100 * number, **changes) for number, text in enumerate(texts)]
    rows = [vector(described(each), dimension) for each in passages]
    digest = hashlib.sha256("\0".join(texts).encode()).hexdigest()
    return IndexedFile(
        path=path,
        digest=digest,
        passages=passages,
        vectors=np.asarray(rows, np.float32).reshape(-1, dimension),
    )


class NaiveStore:
    """What a store means, in the plainest code."""

    def __init__(self, about: IndexInfo) -> None:
        self.info = about
        self.held: dict[str, IndexedFile] = {}

    @contextmanager
    def writing(self) -> Iterator[None]:
        yield

    def files(self) -> dict[str, str]:
        return {path: held.digest for path, held in self.held.items()}

    def put(self, files: Sequence[IndexedFile]) -> None:
        self.held |= {each.path: each for each in files}

    def remove(self, paths: Sequence[str]) -> None:
        for path in paths:
            self.held.pop(path, None)

    def optimize(self) -> None: ...

    def close(self) -> None: ...

    def count(self) -> int:
        return sum(len(held.passages) for held in self.held.values())

    def read(self, path: str) -> IndexedFile | None:
        return self.held.get(path)

    def search_vectors(
        self, vector: Floats, count: int, where: Filter | None = None, *, exact: bool = False
    ) -> list[Found]:
        scored = [
            Found(each, number, float(row @ vector))
            for held in self.held.values()
            for number, (each, row) in enumerate(zip(held.passages, held.vectors, strict=True))
        ]
        return best(scored, count, where)

    def search_text(self, query: str, count: int, where: Filter | None = None) -> list[Found]:
        """Lucene's BM25 with its defaults."""
        passages = [
            (number, each) for held in self.held.values() for number, each in enumerate(held.passages)
        ]
        words = [Counter(terms(described(each))) for _, each in passages]
        lengths = [sum(each.values()) for each in words]
        mean = sum(lengths) / max(1, len(lengths))
        scored = []
        for (number, each), own, length in zip(passages, words, lengths, strict=True):
            score = 0.0
            for word in set(terms(query)) & set(own):
                holders = sum(word in other for other in words)
                rarity = math.log(1 + (len(words) - holders + 0.5) / (holders + 0.5))
                score += rarity * own[word] * 2.2 / (own[word] + 1.2 * (0.25 + 0.75 * length / mean))
            if score:
                scored.append(Found(each, number, score))
        return best(scored, count, where)


def best(scored: Sequence[Found], count: int, where: Filter | None) -> list[Found]:
    kept = [found for found in scored if where is None or holds(where, found.passage)]
    return sorted(kept, key=lambda found: (-found.score, found.passage.path, found.number))[:count]


def holds(where: Filter, passage: Passage) -> bool | None:
    """SQL's logic of three values: None is unknown."""
    match where:
        case IsNull(column):
            return value_of(column, passage) is None
        case Not(part):
            inner = holds(part, passage)
            return None if inner is None else not inner
        case And(parts):
            found = [holds(part, passage) for part in parts]
            return False if False in found else None if None in found else True
        case Or(parts):
            found = [holds(part, passage) for part in parts]
            return True if True in found else None if None in found else False
        case Comparison():
            return compares(where, value_of(where.column, passage))


def value_of(column: Column, passage: Passage) -> Scalar:
    metadata: Mapping[str, Scalar] = passage.metadata
    if column.in_metadata:
        return metadata.get(column.name)
    value: Scalar = heading_trail(passage) if column.name == "headings" else getattr(passage, column.name)
    return value


def compares(comparison: Comparison, value: Any) -> bool | None:
    wanted: Any = comparison.value
    if value is None or kind_of(value) != kind_of(wanted):
        return None
    match comparison.operator:
        case "=":
            return bool(value == wanted)
        case "<>":
            return bool(value != wanted)
        case "<":
            return bool(value < wanted)
        case "<=":
            return bool(value <= wanted)
        case ">":
            return bool(value > wanted)
        case ">=":
            return bool(value >= wanted)
        case "LIKE":
            pattern = re.escape(wanted).replace("%", ".*").replace("_", ".")
            return re.fullmatch(pattern, value, re.DOTALL) is not None


def kind_of(value: object) -> type:
    return float if type(value) is int else type(value)

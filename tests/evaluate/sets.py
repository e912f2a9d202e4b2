"""Tiny evaluation folders, and encoders whose vectors depend on nothing but the text."""

import hashlib
import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from quiver.results import Floats

DIMENSION = 16
TOPICS = ("ships", "birds", "bread", "stars")


class FixedEncoder:
    """Random vectors; texts that name the same topic lie closer together."""

    identity = "fixed"

    def __init__(self) -> None:
        self.calls = 0
        self.instructions: list[str | Sequence[str] | None] = []

    def encode_query(
        self,
        texts: Sequence[str],
        *,
        instruction: str | Sequence[str] | None = None,
        show_progress_bar: bool | None = None,
    ) -> Floats:
        self.instructions.append(instruction)
        return self._encode(texts)

    def encode_document(self, texts: Sequence[str], *, show_progress_bar: bool | None = None) -> Floats:
        return self._encode(texts)

    def _encode(self, texts: Sequence[str]) -> Floats:
        self.calls += 1
        return np.stack([self.vector(text) for text in texts])

    def vector(self, text: str) -> Floats:
        topics = sum((_noise(topic) for topic in TOPICS if topic in text), np.zeros(DIMENSION, np.float32))
        return _noise(text) + topics


class TiedEncoder(FixedEncoder):
    """Corners of a cube: cosines are exact multiples of 1/8, and most of them occur many times."""

    def vector(self, text: str) -> Floats:
        return np.sign(super().vector(text))


def _noise(text: str) -> Floats:
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
    return np.random.default_rng(seed).standard_normal(DIMENSION).astype(np.float32)


def write_set(folder: Path, kind: str, metric: str, files: Mapping[str, str], **meta: Any) -> Path:
    """A folder with a ``meta.json`` and these files."""
    folder.mkdir(parents=True)
    known = {
        "name": folder.name,
        "type": kind,
        "main_metric": metric,
        "instruction": f"Do {kind} well",
        "languages": ["en"],
    }
    (folder / "meta.json").write_text(json.dumps(known | meta))
    for name, content in files.items():
        (folder / name).write_text(content)
    return folder


def jsonl(rows: Sequence[Mapping[str, Any]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def tsv(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    return "".join("\t".join(map(str, row)) + "\n" for row in [header, *rows])


def text(number: int) -> str:
    return f"About {TOPICS[number % len(TOPICS)]}, number {number}"


def retrieval(folder: Path, *, queries: int = 30, documents: int = 120, **meta: Any) -> Path:
    chance = random.Random(1)
    grades = [
        (f"q{q}", f"d{d}", chance.choice([0, 1, 1, 2, 3]))
        for q in range(queries)
        for d in sorted(chance.sample(range(q % 4, documents, 4), 5))
    ]
    files = {
        "corpus.jsonl": jsonl(
            [
                {"_id": f"d{d}", "title": f"Title {d}" if d % 2 else "", "text": text(d)}
                for d in range(documents)
            ]
        ),
        "queries.jsonl": jsonl([{"_id": f"q{q}", "text": text(q + 1000)} for q in range(queries)]),
        "qrels.tsv": tsv(("query-id", "corpus-id", "score"), [*grades, ("q0", f"d{documents - 1}", 0)]),
    }
    return write_set(folder, "retrieval", meta.pop("metric", "ndcg@10"), files, **meta)


def reranking_rows() -> list[dict[str, Any]]:
    chance = random.Random(2)
    return [
        {
            "query": text(q),
            "positive": [text(1000 + q + 4 * i) for i in range(chance.randrange(1, 4))],
            "negative": [text(chance.randrange(5000)) for _ in range(chance.randrange(3, 12))],
        }
        for q in range(25)
    ]


def reranking(folder: Path) -> Path:
    return write_set(folder, "reranking", "map", {"rows.jsonl": jsonl(reranking_rows())})


def pair_rows(*, graded: bool) -> list[tuple[str, str, object]]:
    chance = random.Random(3)
    return [
        (text(i), text(i + 50 + chance.randrange(4)), round(chance.random() * 5, 1) if graded else i % 3 // 2)
        for i in range(80)
    ]


def sts(folder: Path) -> Path:
    rows = tsv(("sentence1", "sentence2", "score"), pair_rows(graded=True))
    return write_set(folder, "sts", "cosine_spearman", {"pairs.tsv": rows})


def pair_classification(folder: Path) -> Path:
    rows = tsv(("sentence1", "sentence2", "label"), pair_rows(graded=False))
    return write_set(folder, "pair_classification", "cosine_ap", {"pairs.tsv": rows})


def labelled_rows(first: int, count: int, labels: int) -> list[tuple[str, int]]:
    chance = random.Random(4)
    return [
        (text(first + i), i % labels if chance.random() < 0.8 else chance.randrange(labels))
        for i in range(count)
    ]


def classification(folder: Path, *, labels: int = 4) -> Path:
    files = {
        "train.tsv": tsv(("text", "label"), labelled_rows(0, 200, labels)),
        "test.tsv": tsv(("text", "label"), labelled_rows(500, 150, labels)),
    }
    return write_set(folder, "classification", "accuracy", files)


def clustering(folder: Path) -> Path:
    rows = tsv(("text", "label"), labelled_rows(0, 300, 4))
    return write_set(folder, "clustering", "v_measure", {"test.tsv": rows})


LANGUAGES = ("eng", "deu", "zho-CN")


def bitext(folder: Path) -> Path:
    files = {
        f"{language}.txt": "".join(f"{text(i)} in {language}\n" for i in range(60)) for language in LANGUAGES
    }
    return write_set(folder, "bitext", "f1", files, languages=["deu", "eng", "zho-CN"])


def instruction_pairs(folder: Path) -> Path:
    rows = [
        {"sentence1": text(i), "sentence2": text(i + 9), "condition_high": "topic", "condition_low": "number"}
        for i in range(10)
    ]
    files = {"rows.jsonl": jsonl(rows)}
    return write_set(
        folder, "instruction_pairs", "pairwise_accuracy", files, instruction="Alike in: {condition}"
    )


MAKERS = {
    "retrieval": retrieval,
    "reranking": reranking,
    "sts": sts,
    "pair_classification": pair_classification,
    "classification": classification,
    "clustering": clustering,
    "bitext": bitext,
    "instruction_pairs": instruction_pairs,
}

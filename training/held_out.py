"""Measures an embedder on held-out pairs: does a query find its document in its group?

And does it agree with the teacher on how near texts are to each other?
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from extract import Pair
from label import PASSAGE, Labels, held_out_texts
from prompts import WEB_SEARCH, embedder_query
from texts import read_pairs


def _is_from(pair: Pair, language: str) -> bool:
    marks = f"-{language}-", f"l10n-{language}"
    return pair.kind == "parallel" and any(mark in pair.source for mark in marks)


GROUPS: dict[str, Callable[[Pair], bool]] = {
    "documentation-en": lambda p: (
        p.source
        in {
            "python3.11-doc",
            "postgresql-doc-15",
            "libreoffice-help-en-us",
            "gnome-user-docs-C",
            "tatqa-en",
            "qmsum-spans-en",
        }
    ),
    "prose-en": lambda p: p.source == "r-cran-janeaustenr",
    "wordnet-en": lambda p: p.source == "wordnet-base",
    "code": lambda p: p.source in {"django", "sympy", "libpython3.11-stdlib", "tldr-command-en"},
    "zh": lambda p: (
        p.kind == "retrieval"
        and p.source
        in {
            "cmrc-trial-zh",
            "drcd-dev-zh-hant",
            "libreoffice-help-zh-cn",
            "libreoffice-help-zh-tw",
        }
    ),
    "ja": lambda p: (
        p.kind == "retrieval"
        and p.source
        in {
            "jsquad-valid-ja",
            "libreoffice-help-ja",
        }
    ),
    "zh->en": lambda p: p.source.startswith(("libreoffice-help-zh", "cedict")) and p.kind == "parallel",
    "ru->en": lambda p: _is_from(p, "ru"),
    "hi->en": lambda p: _is_from(p, "hi"),
    "de->en": lambda p: _is_from(p, "de"),
    "names->en": lambda p: p.source.startswith("cldr"),
    "any->en": lambda p: p.source in {"ntrex-other-languages", "tatoeba-other-languages"},
}
_MAX_GROUP = 150


def reciprocal_rank(scores: NDArray[np.float32], right: Sequence[int]) -> float:
    """Give the mean reciprocal rank (at 10) of the right document of each line of scores."""
    ranks = (scores > scores[np.arange(len(right)), right][:, None]).sum(1) + 1
    return float(np.where(ranks <= 10, 1 / ranks, 0).mean())


def measure(pairs: Sequence[Pair], embed: Callable[[list[str]], NDArray[np.float32]]) -> dict[str, float]:
    """Give the mean reciprocal rank (at 10) of each group, queries with the default prompt."""
    results: dict[str, float] = {}
    for name, belongs in GROUPS.items():
        group = [pair for pair in pairs if belongs(pair)][:_MAX_GROUP]
        documents = list(dict.fromkeys(pair.document for pair in group))
        vectors = embed(documents)
        queries = embed([embedder_query(WEB_SEARCH, pair.query) for pair in group])
        right = [documents.index(pair.document) for pair in group]
        scores = queries @ vectors.T
        results[name] = reciprocal_rank(scores, right)
    return results


def agreement(found: NDArray[np.float32], taught: NDArray[np.float32], seed: int = 0) -> float:
    """Give Spearman's correlation of the cosines of pairs: each text with near ones and with any."""
    generator = np.random.default_rng(seed)
    scores = taught @ taught.T
    np.fill_diagonal(scores, -1)
    count = len(taught)
    near = np.argsort(-scores, axis=1)[:, [0, 1, 3, 8, 20, 60]]
    others = np.concatenate([near, generator.integers(0, count, (count, 3))], axis=1)
    first = np.repeat(np.arange(count), others.shape[1])
    second = others.ravel()
    cosines = (found[first] * found[second]).sum(1)
    return float(spearmanr(cosines, scores[first, second]).statistic)


def report_of(
    embed: Callable[[list[str]], NDArray[np.float32]], work: Path, labels: Labels
) -> dict[str, float]:
    """Measure on the held-out pairs: who is found, and how well the nearness of texts is the teacher's."""
    pairs = read_pairs(work / "held_out.jsonl")
    results = measure(pairs, embed)
    texts = held_out_texts(pairs)
    taught = labels.vectors()[labels.rows([PASSAGE + text for text in texts])].astype(np.float32)
    with np.load(work / "space.npz") as space:
        taught -= space["document"]
    taught /= np.linalg.norm(taught, axis=1, keepdims=True)
    results["teacher"] = agreement(embed(texts), taught)
    return {name: round(value, 3) for name, value in results.items()}

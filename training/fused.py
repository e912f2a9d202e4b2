"""Measures how the searches by vectors and by words should be put together, on pairs of many kinds.

For every folder of `--pairs` (as for `texts.py`): nDCG@10 of some queries among some thousand documents, by
vectors, by BM25, by reciprocal ranks, and by sums of scores in spreads, where words count by how much of the
query they cover or as they are.

    python fused.py --pairs PAIRS
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from quiver import Embedder
from quiver.results import Floats
from quiver.search.fusion import Scored, fuse
from quiver.search.searcher import COVERAGE_SAMPLE
from quiver.text.terms import terms
from quiver.word_scores import bm25, coverage
from weighed import Searched, searched

_CANDIDATES, _RANK_CONSTANT, _LONGEST = 100, 60, 512
_COVERED, _CONSTANT = (1.0, 1.5, 2.0, 2.5), (0.5, 1.0)


def gains(of_set: Searched) -> Iterator[dict[str, float]]:
    """Give each query's gain by every way."""
    corpus = [terms(document) for document in of_set.documents]
    asked = [terms(query) for query in of_set.queries]
    queries = zip(asked, of_set.own, of_set.cosines, bm25(asked, corpus), strict=True)
    for query, own, cosines, by_words in queries:
        dense = _best(cosines)
        words = {number: score for number, score in _best(by_words).items() if score > 0}
        sample = {number for found in (dense, words) for number in list(found)[:COVERAGE_SAMPLE]}
        covered = coverage(query, [corpus[number] for number in sample])
        found = {"vectors": list(dense), "words": list(words), "ranks": _by_ranks([list(dense), list(words)])}
        for weight in _COVERED:
            found[f"{weight} covered"] = _by_sums(dense, words, weight * covered)
        for weight in _CONSTANT:
            found[f"{weight} always"] = _by_sums(dense, words, weight)
        yield {way: _gain(order, own) for way, order in found.items()}


def _best(scores: Floats) -> dict[int, float]:
    order = np.argsort(-scores, kind="stable")[:_CANDIDATES]
    return dict(zip(order.tolist(), scores[order].tolist(), strict=True))


def _by_ranks(rankings: Sequence[list[int]]) -> list[int]:
    """Reciprocal rank fusion (Cormack, Clarke and Büttcher, 2009)."""
    scores: dict[int, float] = defaultdict(float)
    for ranking in rankings:
        for rank, number in enumerate(ranking, start=1):
            scores[number] += 1 / (_RANK_CONSTANT + rank)
    return sorted(scores, key=lambda number: -scores[number])


def _by_sums(dense: dict[int, float], words: dict[int, float], weight: float) -> list[int]:
    return [number for number, _ in fuse([Scored(dense), Scored(words, weight)])]


def _gain(order: list[int], own: int) -> float:
    return float(1 / np.log2(2 + order.index(own))) if own in order[:10] else 0.0


def main() -> None:
    """Print each set's gains, and the means of all sets."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=Path, required=True)
    embedder = Embedder(on_too_long="truncate", max_length=_LONGEST)
    sets: dict[str, list[float]] = defaultdict(list)
    for file in sorted(parser.parse_args().pairs.glob("*/pairs.jsonl")):
        found = list(gains(searched(file, embedder)))
        means = {way: float(np.mean([query[way] for query in found])) for way in found[0]}
        print(
            f"{file.parent.name}: " + ", ".join(f"{way} {gain:.3f}" for way, gain in means.items()),
            flush=True,
        )
        for way, gain in means.items():
            sets[way].append(gain)
    print("mean: " + ", ".join(f"{way} {np.mean(each):.4f}" for way, each in sets.items()))


if __name__ == "__main__":
    main()

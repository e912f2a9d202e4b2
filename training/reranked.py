"""Measures what the built-in reranker makes of the embedder's order, on SQLite's documentation.

Mean nDCG@10 of sections by their headings among 900, and by one of their sentences among 250: the
embedder's order, the reranker's alone, both together, and these with the candidates' words, as
`quiver evaluate` puts them.

    python reranked.py --cache CACHE
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from extract import Pair, asked_by_sentence, html_sections
from quiver import Embedder, Reranker
from quiver.interpolation import interpolated, standardised
from quiver.word_scores import word_heights
from sources import MEASURED_SOURCE, unpacked
from texts import SEED

_SECTIONS, _ASKED, _QUESTIONS, _RERANKED = 900, 250, 120, 100
_LONGEST = 700


def gain(scores: NDArray[np.float32], right: NDArray[np.bool_]) -> float:
    """Give nDCG@10 of a list of which at most one is right."""
    rank = int((scores > scores[right].max(initial=-np.inf)).sum()) + 1
    return float(1 / np.log2(1 + rank)) if right.any() and rank <= 10 else 0.0


def measure(embedder: Embedder, reranker: Reranker, pairs: list[Pair]) -> NDArray[np.float64]:
    """Give the mean gain of the four orders over the first questions."""
    documents = [pair.document for pair in pairs]
    vectors = np.asarray(embedder.encode_document(documents))
    queries = np.asarray(embedder.encode_query([pair.query for pair in pairs[:_QUESTIONS]]))
    gains = []
    for number, cosines in enumerate(queries @ vectors.T):
        best = np.argsort(-cosines)[:_RERANKED]
        asked = [(pairs[number].query, documents[i]) for i in best]
        odds = reranker.predict(asked, show_progress_bar=False).log_odds
        found = cosines[best]
        weight, known = reranker.retrieval_weight, standardised(found)
        by_words = word_heights(pairs[number].query, [documents[i] for i in best])
        both, all_three = (interpolated(odds, heights, weight) for heights in (known, known + by_words))
        gains.append([gain(order, best == number) for order in (found, odds, both, all_three)])
    means: NDArray[np.float64] = np.mean(gains, axis=0)
    return means


def main() -> None:
    """Print both measures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, required=True)
    arguments = parser.parse_args()
    generator = random.Random(SEED)
    sections = list(html_sections(unpacked(MEASURED_SOURCE, arguments.cache), "sections"))
    sections = generator.sample(sections, _SECTIONS)
    asked = [found for pair in sections if (found := asked_by_sentence(pair, generator))][:_ASKED]
    embedder = Embedder(on_too_long="truncate", max_length=_LONGEST)
    reranker = Reranker(on_too_long="truncate", max_length=_LONGEST)
    for name, pairs in (("headings", sections), ("sentences", asked)):
        alone, reranked, both, words = measure(embedder, reranker, pairs)
        print(
            f"{name}: embedder {alone:.3f}, reranker {reranked:.3f}, both {both:.3f}, with words {words:.3f}",
            flush=True,
        )


if __name__ == "__main__":
    main()

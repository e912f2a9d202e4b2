"""Measures what retrieval and words should count beside the built-in reranker, on pairs of many kinds.

For every folder of `--pairs` (as for `texts.py`): mean nDCG@10 of some queries among some thousand documents,
the best 100 reranked, by how many spreads of the log-odds a spread of the retriever's scores counts, and how
many a spread of the words' BM25 counts beside it, where one candidate has all of the query's words.

    python weighed.py --pairs PAIRS
"""

from __future__ import annotations

import argparse
import json
import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from quiver import Embedder, Reranker
from quiver.interpolation import interpolated, standardised
from quiver.results import Floats
from quiver.word_scores import WORDS_WEIGHT, word_heights
from reranked import gain
from texts import SEED

_QUERIES, _DOCUMENTS, _RERANKED = 200, 3_000, 100
_LONGEST, _QUERY_CHARACTERS = 512, 400
_RETRIEVAL_WEIGHTS, _WORD_WEIGHTS = (0.7, 1.0, 1.4), (0.0, 1.0, 2.0, 3.0)


@dataclass(frozen=True)
class Found:
    """A query's best documents: what is known of them, in spreads, the log-odds, and which one is right."""

    by_vectors: Floats
    by_words: Floats
    log_odds: Floats
    right: NDArray[np.bool_]

    def gain(self, retrieval: float, words: float) -> float:
        """Give nDCG@10 with these weights."""
        known = self.by_vectors + words * self.by_words
        return gain(interpolated(self.log_odds, known, retrieval), self.right)


@dataclass(frozen=True)
class Searched:
    """Some queries of a set, the number of the document that each is to find, and cosines with all."""

    queries: list[str]
    documents: list[str]
    own: list[int]
    cosines: Floats


def searched(file: Path, embedder: Embedder) -> Searched:
    """Search the positives of a file of pairs."""
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    random.Random(SEED).shuffle(rows)
    queries = [row["query"][:_QUERY_CHARACTERS] for row in rows[:_QUERIES]]
    hard = [text for row in rows[:_QUERIES] for text in row["negatives"]]
    positives = [row["positive"] for row in rows]
    documents = list(dict.fromkeys([*positives[:_QUERIES], *hard, *positives]))[:_DOCUMENTS]
    vectors = np.asarray(embedder.encode_document(documents, show_progress_bar=False))
    cosines = np.asarray(embedder.encode_query(queries, show_progress_bar=False)) @ vectors.T
    own = [documents.index(positive) for positive in positives[:_QUERIES]]
    return Searched(queries, documents, own, cosines)


def found_of(file: Path, embedder: Embedder, reranker: Reranker) -> list[Found]:
    """Search the positives of a file of pairs, and judge what is found."""
    of_set = searched(file, embedder)
    made = []
    for query, own, scores in zip(of_set.queries, of_set.own, of_set.cosines, strict=True):
        best = np.argsort(-scores)[:_RERANKED]
        texts = [of_set.documents[i] for i in best]
        judged = reranker.predict([(query, text) for text in texts], show_progress_bar=False)
        made.append(
            Found(
                by_vectors=standardised(scores[best]),
                by_words=word_heights(query, texts) / WORDS_WEIGHT,
                log_odds=judged.log_odds,
                right=best == own,
            )
        )
    return made


def main() -> None:
    """Print each set's gain by vectors alone, and the mean of all sets by weights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=Path, required=True)
    embedder = Embedder(on_too_long="truncate", max_length=_LONGEST)
    reranker = Reranker(on_too_long="truncate", max_length=_LONGEST)
    sets = {}
    for file in sorted(parser.parse_args().pairs.glob("*/pairs.jsonl")):
        sets[file.parent.name] = found_of(file, embedder, reranker)
        alone = np.mean([gain(found.by_vectors, found.right) for found in sets[file.parent.name]])
        print(f"{file.parent.name}: by vectors {alone:.3f}", flush=True)
    for weight in _RETRIEVAL_WEIGHTS:
        for words in _WORD_WEIGHTS:
            means = [np.mean([query.gain(weight, words) for query in found]) for found in sets.values()]
            print(f"retrieval {weight}, words {words}: {np.mean(means):.4f}")


if __name__ == "__main__":
    main()

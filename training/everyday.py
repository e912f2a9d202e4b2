"""Readers of everyday language: example sentences, names in many languages, talk and speeches."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from extract import Pair

LANGUAGES = (
    *("ar", "bg", "bn", "ca", "cs", "da", "de", "el", "es", "et", "fa", "fi", "fr", "he", "hi", "hr", "hu"),
    *("id", "it", "ja", "ko", "lt", "lv", "mr", "ms", "nl", "pl", "pt", "ro", "ru", "sk", "sl", "sr", "sv"),
    *("sw", "ta", "te", "th", "tr", "uk", "ur", "vi", "zh", "zh-Hant"),
)
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")
_EXAMPLE = re.compile(r'"([^"]{16,300})"')
_TURN = re.compile(r"^\s*(- -|-)\s+(.*\S)\s*$")
_PASSAGE_SENTENCES = 5
_MAX_PASSAGE = 1600
_SEED = 7


def wordnet_examples(root: Path, name: str) -> Iterator[Pair]:
    """Give the sentences that show a word in use, each a pair with itself."""
    for part in ("noun", "verb", "adj", "adv"):
        lines = next(root.rglob(f"data.{part}")).read_text("utf-8").splitlines()
        for sentence in _EXAMPLE.findall("\n".join(lines)):
            yield Pair(sentence, sentence, "single", f"{name}-examples")


def speeches(root: Path, name: str) -> Iterator[Pair]:
    """Pair a sentence of a speech with the passage around it, now without, now with the sentence.

    The inverse cloze task (Lee et al., 2019, arXiv 1906.00300), which keeps one sentence in ten in its
    passage; half of them here, for a search engine's users often quote.
    """
    generator = random.Random(_SEED)
    for file in sorted(root.rglob("data/*.txt")):
        sentences = _SENTENCE_END.split(" ".join(file.read_text("utf-8").split()))
        for start in range(0, len(sentences) - _PASSAGE_SENTENCES, _PASSAGE_SENTENCES):
            passage = sentences[start : start + _PASSAGE_SENTENCES]
            chosen = generator.randrange(len(passage))
            query = passage[chosen]
            rest = passage if generator.random() < 0.5 else [*passage[:chosen], *passage[chosen + 1 :]]
            if 30 < len(query) < 400:
                yield Pair(query, " ".join(rest)[:_MAX_PASSAGE], "retrieval", name)


def names(root: Path, name: str) -> Iterator[Pair]:
    """Pair the names of languages and territories with the English ones."""
    for table in ("languages", "territories"):
        english = _cldr_table(root, "en", table)
        for language in LANGUAGES:
            for code, text in _cldr_table(root, language, table).items():
                original = english.get(code)
                if original and original != text and "-alt-" not in code:
                    yield Pair(text, original, "parallel", name)


def _cldr_table(root: Path, language: str, table: str) -> dict[str, str]:
    file = next(root.rglob(f"main/{language}/{table}.json"))
    found: dict[str, str] = json.loads(file.read_text("utf-8"))["main"][language]["localeDisplayNames"][table]
    return found


def signs(root: Path, name: str) -> Iterator[Pair]:
    """Pair the names and the keywords of emoji and other signs with the English ones."""
    english = _annotations(root, "en")
    for language in LANGUAGES:
        for sign, words in _annotations(root, language).items():
            original = english.get(sign)
            if not original:
                continue
            for kind, joint in (("tts", " "), ("default", ", ")):
                ours, theirs = _joined(words, kind, joint), _joined(original, kind, joint)
                if ours and theirs and ours != theirs:
                    yield Pair(ours, theirs, "parallel", name)


def _annotations(root: Path, language: str) -> dict[str, Any]:
    file = next(root.rglob(f"annotations*/{language}/annotations.json"))
    content = json.loads(file.read_text("utf-8"))
    key = next(key for key in content if key.startswith("annotations"))
    found: dict[str, Any] = content[key]["annotations"]
    return found


def _joined(words: dict[str, Sequence[str]], kind: str, joint: str) -> str:
    return joint.join(words.get(kind, ()))


def conversations(root: Path, name: str) -> Iterator[Pair]:
    """Pair what is said with what is answered, in each language's folder."""
    for file in sorted(root.rglob("data/*/*.yml")):
        said = ""
        for line in file.read_text("utf-8", errors="replace").splitlines():
            turn = _TURN.match(line)
            if not turn:
                continue
            text = turn.group(2).strip("'\"")
            if turn.group(1) == "-" and said and len(text) > 12:
                yield Pair(said, text, "retrieval", name)
            said = text

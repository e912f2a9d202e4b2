"""Everyday sentences put together from `phrases.txt`, alike in nine languages, and encyclopaedias' words."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from extract import Pair

NAME = "phrases"
LICENCE = "written for this project"
_FILE = Path(__file__).with_name("phrases.txt")
_LANGUAGES = ("en", "de", "fr", "es", "ru", "zh", "ja", "ar", "hi")
_SENTENCES = 36_000
_SEED = 11
# In Arabic and Hindi the verb follows its subject's gender.
_FEMININE = {"hi": (("रहा", "रही"), ("बैठा", "बैठी"), ("खड़ा", "खड़ी"), ("लेटा", "लेटी"))}


@dataclass(frozen=True)
class _Parts:
    subject: Sequence[str]
    action: Sequence[str]
    place: Sequence[str]


def everyday_sentences() -> Iterator[Pair]:
    """Pair sentences of eight languages with the English ones, and words with the English ones."""
    parts = _read()
    generator = random.Random(_SEED)
    for row in parts["words"]:
        for text in row[1:]:
            yield Pair(text, row[0], "parallel", NAME)
    for number in range(_SENTENCES):
        place = generator.choice(parts["places"]) if number % 5 else [""] * len(_LANGUAGES)
        made = _Parts(generator.choice(parts["subjects"]), generator.choice(parts["actions"]), place)
        language = generator.randrange(len(_LANGUAGES))
        english = _sentence(made, 0)
        if language:
            yield Pair(_sentence(made, language), english, "parallel", NAME)
        else:
            yield Pair(english, english, "single", NAME)


def _read() -> dict[str, list[list[str]]]:
    found: dict[str, list[list[str]]] = {}
    for line in _FILE.read_text("utf-8").splitlines():
        if line.startswith("["):
            section = found.setdefault(line.strip("[]"), [])
        elif line and not line.startswith("#"):
            section.append([cell.strip() for cell in line.split("|")])
    return found


def _sentence(parts: _Parts, number: int) -> str:
    language = _LANGUAGES[number]
    gender, subject = parts.subject[0], parts.subject[1 + number]
    action, place = parts.action[number], parts.place[number]
    if gender == "f":
        if language == "ar" and action.startswith("ي"):
            action = "ت" + action[1:]
        for masculine, feminine in _FEMININE.get(language, ()):
            action = action.replace(masculine, feminine)
    if language == "zh":
        return f"{subject}{place}{action}。"
    if language == "ja":
        return f"{subject}が{place}{action}。"
    if language == "hi":
        return " ".join(part for part in (subject, place, action) if part) + "।"
    return " ".join(part for part in (subject, action, place) if part) + "."

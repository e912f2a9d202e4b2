"""Texts that the last layer learns by: English to be found as a teacher finds it, others to stay as they are.

English: sections of documentation with a question made of their heading and with words of a sentence taken
out, code, definitions and everyday sentences. Others: pairs and single texts of `sample.py`'s rows.
"""

from __future__ import annotations

import argparse
import random
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path

from extract import Pair, asked_by_sentence, html_sections, package_of
from sources import CODED, DOCUMENTED, folder_of
from texts import is_held_out, read_pairs

_SEED = 11
_SECTIONS, _FUNCTIONS, _PAIRS, _EXAMPLES, _VARIANTS = 260, 35, 18_000, 3_000, 1_500
_SHORTEST, _QUERY_CHARACTERS, _DOCUMENT_CHARACTERS = 150, 600, 700
_CUT_LENGTHS = (300, 500, 700)
_ENGLISH = {
    "wordnet-base": 3_000,
    "phrases": 1_500,
    "r-cran-janeaustenr": 1_500,
    "fastapi-docs": 2_000,
    "gsm8k": 1_000,
    "tldr-command-en": 1_500,
    "libreoffice-help-en-us": 1_500,
    "gnome-user-docs-C": 800,
    "qmsum-spans-en": 1_500,
    "tatqa-en": 1_500,
    "algorithms-python": 800,
}
_QUESTIONS = (
    "What is {}?",
    "How does {} work?",
    "What about {}?",
    "tell me about {}",
    "When do I need {}?",
    "{}?",
    "How do I use {}?",
    "Why {}?",
)
_NAMED = re.compile(r"^[\w.]+: ")


class Reading(IntEnum):
    """How the network reads a text."""

    DOCUMENT, QUERY, INSTRUCTED = range(3)


_ASKED = (Reading.QUERY, Reading.QUERY, Reading.INSTRUCTED)


@dataclass(frozen=True)
class Text:
    """A text, how it is read, and whether the second teacher knows its language."""

    text: str
    reading: Reading
    english: bool


@dataclass(frozen=True)
class Asked:
    """The number of a document among the texts, and those of queries that are to find it."""

    source: str
    document: int
    queries: tuple[int, ...]


@dataclass
class Collected:
    """All texts, each once, and what belongs together."""

    texts: list[Text] = field(default_factory=list)
    english: list[Asked] = field(default_factory=list)
    others: list[Asked] = field(default_factory=list)
    single: list[int] = field(default_factory=list)
    _numbers: dict[tuple[str, Reading], int] = field(default_factory=dict)

    def number(self, text: str, reading: Reading, *, english: bool) -> int:
        """Give a text's number, adding it if it is new."""
        key = text, reading
        if key not in self._numbers:
            self._numbers[key] = len(self.texts)
            self.texts.append(Text(text, reading, english))
        return self._numbers[key]

    def asked(self, pair: Pair, reading: Reading) -> Asked:
        """Give a pair of another language by its texts' numbers, cut to the usual lengths."""
        query = self.number(pair.query[:_QUERY_CHARACTERS], reading, english=False)
        document = self.number(pair.document[:_DOCUMENT_CHARACTERS], Reading.DOCUMENT, english=False)
        return Asked(pair.source, document, (query,))


def course_parser(description: str | None, steps: int) -> argparse.ArgumentParser:
    """Give a parser of what every training by these texts takes."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--rows", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=steps)
    return parser


def collected(cache: Path, all_rows: Path, work: Path) -> Collected:
    """Choose the texts, always the same ones."""
    made, generator = Collected(), random.Random(_SEED)
    for package in sorted(DOCUMENTED):
        for section in _sections(cache, package, generator):
            made.english.append(_asked_section(made, section, package, generator))
    _add_other_english(made, _by_kind(all_rows, generator), generator)
    _add_other_languages(made, read_pairs(work / "rows.jsonl"), generator)
    return made


def _sections(cache: Path, package: str, generator: random.Random) -> Iterator[tuple[Pair, Pair | None]]:
    """Give a package's sections, each with its pair by a sentence, if it has one."""
    found = [
        section for section in html_sections(folder_of(package, cache), package) if not is_held_out(section)
    ]
    generator.shuffle(found)
    count = 0
    for section in found:
        if count >= _SECTIONS:
            return
        by_sentence = asked_by_sentence(section, generator)
        if len(section.document) >= _SHORTEST:
            count += 1
            yield section, by_sentence


def _asked_section(
    made: Collected, found: tuple[Pair, Pair | None], package: str, generator: random.Random
) -> Asked:
    section, by_sentence = found
    text = section.document
    text = text if generator.random() < 0.5 else f"{section.query}\n{text}"
    if generator.random() < 0.4:
        text = text[: generator.choice(_CUT_LENGTHS)].rsplit(" ", 1)[0]
    query = _question(section.query, generator)
    queries = [made.number(query, generator.choice(_ASKED), english=True)]
    if by_sentence and generator.random() < 0.8:
        query = by_sentence.query
        if generator.random() < 0.4:
            words = query.split()
            count = generator.randint(3, 8)
            first = generator.randrange(max(1, len(words) - count))
            query = " ".join(words[first : first + count])
        queries.append(made.number(query, generator.choice(_ASKED), english=True))
    return Asked(package, made.number(text, Reading.DOCUMENT, english=True), tuple(queries))


def _question(heading: str, generator: random.Random) -> str:
    """Ask for half of the headings as people ask."""
    if generator.random() >= 0.5:
        return heading
    subject = _NAMED.sub("", heading.rstrip(".?! "))
    form = generator.choice(_QUESTIONS)
    return form.format(subject[0].lower() + subject[1:] if subject[:2].istitle() else subject)


def _by_kind(all_rows: Path, generator: random.Random) -> dict[tuple[str, str], list[Pair]]:
    found: dict[tuple[str, str], list[Pair]] = defaultdict(list)
    for pair in read_pairs(all_rows):
        found[pair.source, pair.kind].append(pair)
    for pairs in found.values():
        generator.shuffle(pairs)
    return found


def _add_other_english(
    made: Collected, by_kind: dict[tuple[str, str], list[Pair]], generator: random.Random
) -> None:
    for (source, kind), pairs in sorted(by_kind.items()):
        if kind == "retrieval" and (source in _ENGLISH or package_of(source) in CODED):
            for pair in pairs[: _ENGLISH.get(source, _FUNCTIONS)]:
                document = made.number(pair.document, Reading.DOCUMENT, english=True)
                query = made.number(pair.query, generator.choice(_ASKED), english=True)
                made.english.append(Asked(source, document, (query,)))
        elif source == "wordnet-base-examples":
            made.single += [
                made.number(pair.query, Reading.DOCUMENT, english=True) for pair in pairs[:_EXAMPLES]
            ]
        elif source.startswith("variants-en"):
            for pair in pairs[:_VARIANTS]:
                made.single += [
                    made.number(text, Reading.DOCUMENT, english=True) for text in (pair.query, pair.document)
                ]


def _add_other_languages(made: Collected, pairs: list[Pair], generator: random.Random) -> None:
    for pair in pairs:
        package = package_of(pair.source)
        if package in DOCUMENTED or package in CODED or pair.source in _ENGLISH:
            continue
        if pair.source.startswith(("variants-en", "wordnet")):
            continue
        if pair.kind not in ("retrieval", "parallel", "symmetric"):
            made.single.append(made.number(pair.query, Reading.DOCUMENT, english=False))
            continue
        asks = pair.kind == "retrieval" or generator.random() < 0.4
        reading = generator.choice(_ASKED) if asks else Reading.DOCUMENT
        made.others.append(made.asked(pair, reading))
        if len(made.others) >= _PAIRS:
            return

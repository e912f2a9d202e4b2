"""Readers of everyday language: example sentences, names in many languages, novels, an interface."""

from __future__ import annotations

import json
import random
import re
import sqlite3
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from extract import Pair, clean

LANGUAGES = (
    *("ar", "bg", "bn", "ca", "cs", "da", "de", "el", "es", "et", "fa", "fi", "fr", "he", "hi", "hr", "hu"),
    *("id", "it", "ja", "ko", "lt", "lv", "mr", "ms", "nl", "pl", "pt", "ro", "ru", "sk", "sl", "sr", "sv"),
    *("sw", "ta", "te", "th", "tr", "uk", "ur", "vi", "zh", "zh-Hant"),
)
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")
_EXAMPLE = re.compile(r'"([^"]{16,300})"')
_R_STRING = re.compile(rb"\x00\x04\x00\x09(\x00\x00[\x00-\x0f].)", re.DOTALL)
_PHRASE = re.compile(r"^( *)\.?([A-Za-z0-9_-]+) =(?: (.*\S))?\s*$")
_DECLARATIONS = frozenset(
    "arb hin rus cmn deu fra spa jpn kor ita por pol nld tur vie ind".split(),
)
# Smith and Van Dyke 1865, Elberfeld 1905, Valera 1909, Persian 1895, Segond 1910, Diodati 1641, Synodal 1876,
# Vietnamese 1934: all in the public domain, as is the English one.
_ENGLISH_VERSION = "4"
_VERSIONS = {"y": "ar", "e": "de", "v": "es", "p": "fa", "l": "fr", "d": "it", "r": "ru", "7": "vi"}
_PASSAGE_SENTENCES = 4
_MAX_PASSAGE = 1600
_SEED = 7


def wordnet_examples(root: Path, name: str) -> Iterator[Pair]:
    """Give the sentences that show a word in use, each a pair with itself."""
    for part in ("noun", "verb", "adj", "adv"):
        lines = next(root.rglob(f"data.{part}")).read_text("utf-8").splitlines()
        for sentence in _EXAMPLE.findall("\n".join(lines)):
            yield Pair(sentence, sentence, "single", f"{name}-examples")


def novels(root: Path, name: str) -> Iterator[Pair]:
    """Pair a sentence of a novel with the passage around it, now without, now with the sentence.

    The inverse cloze task (Lee et al., 2019, arXiv 1906.00300), which keeps one sentence in ten in its
    passage; half of them here, for a search engine's users often quote.
    """
    generator = random.Random(_SEED)
    text = " ".join(" ".join(_r_strings(next(root.rglob("data/Rdata.rdb")))).split())
    sentences = [sentence for sentence in _SENTENCE_END.split(text) if len(sentence) > 20]
    for start in range(0, len(sentences) - _PASSAGE_SENTENCES, _PASSAGE_SENTENCES):
        passage = sentences[start : start + _PASSAGE_SENTENCES]
        chosen = generator.randrange(len(passage))
        query = passage[chosen]
        rest = passage if generator.random() < 0.5 else [*passage[:chosen], *passage[chosen + 1 :]]
        if 30 < len(query) < 400:
            yield Pair(query, " ".join(rest)[:_MAX_PASSAGE], "retrieval", name)


def _r_strings(file: Path) -> Iterator[str]:
    """Read the strings of R's data base of objects: deflated blocks, each with its length before."""
    raw, place = file.read_bytes(), 0
    while place + 4 < len(raw):
        block = zlib.decompressobj()
        data = block.decompress(raw[place + 4 :])
        place = len(raw) - len(block.unused_data)
        for found in _R_STRING.finditer(data):
            length = int.from_bytes(found.group(1))
            yield data[found.end() : found.end() + length].decode("utf-8", errors="replace")


def interface_phrases(english: Path, other: Path, name: str) -> Iterator[Pair]:
    """Pair the phrases of a translated program with the English ones of the same file and name."""
    originals = _phrases(english)
    for key, text in _phrases(other).items():
        original = originals.get(key, "")
        if len(original) > 8 and original != text:
            yield Pair(text, original, "parallel", name)


def _phrases(folder: Path) -> dict[tuple[str, str], str]:
    found: dict[tuple[str, str], str] = {}
    with zipfile.ZipFile(next(folder.rglob("*.xpi"))) as pack:
        for file in sorted(pack.namelist()):
            if not file.endswith(".ftl"):
                continue
            short, message = file.split("/", 2)[-1], ""
            for line in pack.read(file).decode("utf-8", errors="replace").splitlines():
                if not (match := _PHRASE.match(line)):
                    continue
                indent, key, text = match.groups()
                message = message if indent else key
                if text and "{" not in text and "access" not in key:
                    found[short, f"{message}.{key}"] = clean(text)
    return found


def declaration(root: Path, name: str) -> Iterator[Pair]:
    """Pair the paragraphs of the declaration of human rights with the English ones."""
    folder = next(root.rglob("declaration"))
    english = _paragraphs(folder / "eng.html")
    for page in sorted(folder.glob("*.html")):
        others = _paragraphs(page)
        if page.stem.split("_")[0] in _DECLARATIONS and len(others) == len(english):
            for ours, theirs in zip(others, english, strict=True):
                yield Pair(ours, theirs, "parallel", name)


def _paragraphs(page: Path) -> list[str]:
    return [clean(body) for body in re.findall(r"<(?:p|h2|h3)>(.*?)</", page.read_text("utf-8"), re.DOTALL)]


def verses(root: Path, name: str) -> Iterator[Pair]:
    """Pair the verses of translations in the public domain with those of the World English Bible."""
    with sqlite3.connect(f"file:{next(root.rglob('bible.db'))}?mode=ro", uri=True) as base:
        rows = base.execute(
            "SELECT o.bbName, o.vText, e.vText FROM bible AS o JOIN bible AS e"
            " USING (bNumber, cNumber, vNumber) WHERE e.bbName = ? ORDER BY o.id",
            (_ENGLISH_VERSION,),
        )
        for version, text, original in rows:
            if language := _VERSIONS.get(version):
                yield Pair(clean(text), clean(original), "parallel", f"{name}-{language}")


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

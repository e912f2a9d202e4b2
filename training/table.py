"""The network's token table: the teacher's vectors, made equally loud, and the marks of a text's parts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer

import places
from pieces import DOCUMENT_MARKS, QUERY_MARKS
from stream import ASKED, BEGUN, CLOSING, CONSTANT, CONTENT, FIRST, HIDDEN, LOUDNESS, SECOND, STEADY, THIRD
from teacher import Teacher
from tokenizer import END_OF_TEXT, token_id
from traces import Source


def entries_of(teacher: Teacher, work: Path, tokenizer: Tokenizer) -> list[list[int]]:
    """Give for each token the teacher's ones whose mean it begins as; special tokens are its end."""
    entries: list[list[int]] = json.loads((work / "teachers.json").read_text())
    close = [i for i, (text, _) in enumerate(teacher.pieces()) if text == "</s>"]
    return entries + [close] * (tokenizer.get_vocab_size() - len(entries))


class Start:
    """The token table, as the first layer wants it."""

    def __init__(self, source: Source, tokenizer: Tokenizer, entries: Sequence[Sequence[int]]) -> None:
        words = source.words(entries)
        self.words = words
        places_of_teacher = source.weights["position"]
        spreads = (words - words.mean(1, keepdim=True)).std(1, unbiased=False).clamp(min=1e-3)
        self.spread = spreads.median()
        self.places = places.mirrored(places_of_teacher) / self.spread
        made = torch.zeros(len(entries), HIDDEN)
        made[:, [CONSTANT, STEADY]] = 1
        made[:, LOUDNESS] = (self.spread / spreads).clamp(max=3)
        made[:, :CONTENT] = _spread_alike(words)
        for marks in (DOCUMENT_MARKS, QUERY_MARKS):
            for place, mark in enumerate(marks):
                row = token_id(tokenizer, mark)
                # Their places never change: nothing is left to add.
                made[row, :CONTENT] = _spread_alike(words[row][None] + places_of_teacher[place])[0]
                made[row, LOUDNESS] = 0
                if place < 3:
                    made[row, (FIRST, SECOND, THIRD)[place]] = 1
                    made[row, ASKED] = float(marks == QUERY_MARKS)
        made[token_id(tokenizer, QUERY_MARKS[0]), BEGUN] = 1
        made[token_id(tokenizer, END_OF_TEXT), CLOSING] = 1
        self.table = made
        begin, ordinary = (made[token_id(tokenizer, mark), :CONTENT] for mark in DOCUMENT_MARKS[:2])
        self.harmless = ordinary - begin


def _spread_alike(vectors: torch.Tensor) -> torch.Tensor:
    centred = vectors - vectors.mean(1, keepdim=True)
    return centred / centred.std(1, unbiased=False, keepdim=True).clamp(min=1e-3)

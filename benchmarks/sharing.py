"""Sharing: how Quiver and a library that shares nothing compare on sequences that begin alike."""

from collections.abc import Mapping, Sequence

import numpy as np

from benchmarks.command import BenchmarkError, Report
from quiver.engine.plan import Usage
from quiver.text.tokenizer import TokenIds


def compare(title: str, other: str, usage: Usage, seconds: Mapping[str, float], texts: int) -> Report:
    """A table of Quiver and the other library: tokens, time and their ratio."""
    report = Report(title, ["contestant", "tokens in", "computed", "saved", "seconds", "texts/s", "ratio"])
    for name, computed in ((other, None), ("Quiver", usage.tokens_computed)):
        time, ratio = seconds[name], seconds[other] / seconds[name]
        known = "all, and padding" if computed is None else f"{computed:,}"
        share = usage.tokens_saved / usage.tokens_in
        saved = "0" if computed is None else f"{usage.tokens_saved:,} ({share:.0%})"
        speed = f"{texts / time:.1f}"
        cells = [name, f"{usage.tokens_in:,}", known, saved, f"{time:.2f}", speed, f"{ratio:.2f}"]
        record = {"contestant": name, "tokens_in": usage.tokens_in, "tokens_computed": computed}
        report.add(cells, record | {"seconds": time, "ratio": ratio})
    return report


def check_usage(sequences: Sequence[TokenIds], usage: Usage) -> int:
    """Check Quiver's account against a count of its own; returns the length of the prefix all share.

    Computed must be the shared prefix once and the rest of every sequence, or less where documents begin
    alike too; never less than the distinct prefixes of all sequences (the size of their trie).
    """
    shared = _common_prefix(sequences)
    given = sum(map(len, sequences))
    distinct_sequences = {sequence.tobytes(): sequence for sequence in sequences}.values()
    most = shared + sum(len(sequence) - shared for sequence in distinct_sequences)
    least = _trie_size([sequence.tolist() for sequence in distinct_sequences])
    if usage.tokens_in != given or not least <= usage.tokens_computed <= most:
        raise BenchmarkError(
            f"Quiver says {usage.tokens_in:,} tokens in and {usage.tokens_computed:,} computed; expected "
            f"{given:,} in and {least:,} to {most:,} computed"
        )
    return shared


def _common_prefix(sequences: Sequence[TokenIds]) -> int:
    """Tokens that all begin with; every sequence keeps one of its own."""
    first = min(sequences, key=len)
    shared = len(first) - 1
    for sequence in sequences:
        differing = np.flatnonzero(sequence[:shared] != first[:shared])
        shared = int(differing[0]) if len(differing) else shared
    return shared


def _trie_size(sequences: Sequence[Sequence[int]]) -> int:
    trie: dict[int, dict] = {}  # type: ignore[type-arg]
    size = 0
    for sequence in sequences:
        node = trie
        for token in sequence:
            if token not in node:
                node[token] = {}
                size += 1
            node = node[token]
    return size

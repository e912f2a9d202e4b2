"""Reranking speed: one query, many documents, Quiver against sentence-transformers' CrossEncoder.

Both run the same checkpoint in the same process with the same type and threads, and take turns; each keeps
its best time. CrossEncoder sorts by length by itself, reads two logits of the last position only, and is
given the batch size that is fastest for it among ``--batch-sizes``. Quiver runs template, instruction and
query once for all documents; how many tokens it saves is checked against a count made here.

Both profit from glibc's larger thresholds (fewer page faults); set them for a second opinion:
``MALLOC_MMAP_THRESHOLD_=4294967296 MALLOC_TRIM_THRESHOLD_=4294967296 python -m benchmarks.rerank_speed``.

Costs about (1 + batch sizes + 2 x rounds) passes over 20,000 to 30,000 tokens: half an hour with the 28
layers of 0.6B on two cores. ``--layers 4`` is quick but flatters Quiver, which runs only the last row of
each text behind the last layer's attention: a fortieth of the work with 28 layers, a sixth with 4.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks import checkpoints
from benchmarks.command import BenchmarkError, Report, new_parser, run, use_threads, write_json
from benchmarks.samples import TextMaker, read_texts
from benchmarks.timing import choose_batch_size, median_of_turns
from quiver import Reranker
from quiver.engine.plan import Usage
from quiver.text.tokenizer import TokenIds

QUERY = "What happens to the body during a long fast, and is it safe?"


def main() -> int:
    """Time both on one checkpoint."""
    options = _parse()
    threads = use_threads(options.threads)
    given = read_texts(options.texts, options.documents) if options.texts else None
    with checkpoints.checkpoint(options.checkpoint, "reranker", options) as folder:
        texts = given or TextMaker(folder).texts(options.documents, 40, 400)
        report = measure(folder, texts, options)
    made = f"random {options.size}, {options.layers or 'all'} layers"
    report.facts |= {
        "checkpoint": str(options.checkpoint or made),
        "dtype": options.dtype,
        "threads": threads,
    }
    report.show()
    write_json(options.json, [report])
    return 0


def _parse() -> argparse.Namespace:
    parser = new_parser(
        "rerank_speed",
        "Time Quiver and CrossEncoder on one query and many documents.",
        "python -m benchmarks.rerank_speed --layers 4 --texts corpus.jsonl",
    )
    parser.add_argument("checkpoint", nargs="?", type=Path, help="a reranking model's folder")
    checkpoints.add_options(parser, layers=None)
    parser.add_argument("--texts", type=Path, metavar="FILE.jsonl", help='documents, in the field "text"')
    parser.add_argument("--query", default=QUERY, help="the one query")
    parser.add_argument("--documents", type=int, default=100, help="how many (default: 100)")
    parser.add_argument("--dtype", choices=("float32", "bfloat16", "float16"), default="float32")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each contestant (default: 5)")
    parser.add_argument(
        "--batch-sizes", type=int, nargs="+", default=(1, 2, 4, 16), help="that CrossEncoder may choose from"
    )
    return parser.parse_args()


def measure(folder: Path, texts: Sequence[str], options: argparse.Namespace) -> Report:
    """Check the tokens and the agreement, then time in turns."""
    from benchmarks.contestants import open_cross_encoder

    pairs = [(options.query, text) for text in texts]
    reranker = Reranker(folder, dtype=options.dtype, device="cpu")
    predict = open_cross_encoder(folder, options.dtype)
    ours = reranker.predict(pairs, show_progress_bar=False)
    prefix = check_usage(reranker.tokenize(pairs), ours.usage)
    size = choose_batch_size(lambda size: predict(pairs, size), options.batch_sizes)
    best = median_of_turns(
        {
            "CrossEncoder": lambda: predict(pairs, size.best),
            "Quiver": lambda: reranker.predict(pairs, show_progress_bar=False),
        },
        options.rounds,
    )
    report = Report(
        f"Reranking {len(pairs)} documents for one query",
        ["contestant", "tokens in", "computed", "saved", "seconds", "documents/s", "ratio"],
    )
    for name, computed in (("CrossEncoder", None), ("Quiver", ours.usage.tokens_computed)):
        _add_row(report, name, ours.usage.tokens_in, computed, best, len(pairs))
    report.facts = {
        "shared prefix": f"{prefix} tokens (template, instruction, query)",
        "CrossEncoder's batch size": str(size),
        "largest difference of scores": f"{np.abs(np.asarray(ours) - size.result).max():.1e}",
        "rounds": options.rounds,
    }
    return report


def _add_row(
    report: Report, name: str, given: int, computed: int | None, best: dict[str, float], documents: int
) -> None:
    time, ratio = best[name], best["CrossEncoder"] / best[name]
    known = "all, and padding" if computed is None else f"{computed:,}"
    saved = "0" if computed is None else f"{given - computed:,} ({1 - computed / given:.0%})"
    cells = [name, f"{given:,}", known, saved, f"{time:.2f}", f"{documents / time:.1f}", f"{ratio:.2f}"]
    record = {"contestant": name, "tokens_in": given, "tokens_computed": computed, "seconds": time}
    report.add(cells, record | {"ratio": ratio})


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


if __name__ == "__main__":
    run(main)

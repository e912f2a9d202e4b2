"""Reranking speed: one query, many documents, Quiver against sentence-transformers' CrossEncoder.

Both run the same checkpoint in the same process with the same type and threads, and take turns; the
median counts. CrossEncoder sorts by length by itself, reads two logits of the last position only, and is
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

from benchmarks import checkpoints, sharing
from benchmarks.command import Report, new_parser, run, use_threads, write_json
from benchmarks.samples import TextMaker, read_texts
from benchmarks.timing import choose_batch_size, median_of_turns
from quiver import Reranker

QUERY = "What happens to the body during a long fast, and is it safe?"


def main() -> int:
    """Time both on one checkpoint."""
    options = _parse()
    threads = use_threads(options.threads)
    given = read_texts(options.texts, options.documents) if options.texts else None
    with checkpoints.checkpoint(options.checkpoint, "reranker", options) as folder:
        texts = given or TextMaker(folder).texts(options.documents, 100, 400)
        report = measure(folder, texts, options)
    report.facts |= {
        "checkpoint": checkpoints.describe(options),
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
    prefix = sharing.check_usage(reranker.tokenize(pairs), ours.usage)
    size = choose_batch_size(lambda size: predict(pairs, size), options.batch_sizes)
    seconds = median_of_turns(
        {
            "CrossEncoder": lambda: predict(pairs, size.best),
            "Quiver": lambda: reranker.predict(pairs, show_progress_bar=False),
        },
        options.rounds,
    )
    report = sharing.compare(
        f"Reranking {len(pairs)} documents for one query", "CrossEncoder", ours.usage, seconds, len(pairs)
    )
    report.facts = {
        "shared prefix": f"{prefix} tokens (template, instruction, query)",
        "CrossEncoder's batch size": str(size),
        "largest difference of scores": f"{np.abs(np.asarray(ours) - size.result).max():.1e}",
        "rounds": options.rounds,
    }
    return report


if __name__ == "__main__":
    run(main)

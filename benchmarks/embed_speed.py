"""Embedding speed: documents of all lengths, Quiver against sentence-transformers' SentenceTransformer.

Both run the same checkpoint in the same process with the same type and threads, and take turns; each keeps
its best time. SentenceTransformer sorts by length by itself and is given the batch size that is fastest for
it among ``--batch-sizes``. No text shares a beginning with another, so nothing is saved by prefixes here.

The share of the peak is the operations that the model needs for these tokens, without padding, over seconds
and over the speed of a large float32 matrix product of PyTorch in the same run.

Both profit from glibc's larger thresholds (fewer page faults); set them for a second opinion:
``MALLOC_MMAP_THRESHOLD_=4294967296 MALLOC_TRIM_THRESHOLD_=4294967296 python -m benchmarks.embed_speed``.

Costs about (1 + batch sizes + 2 x rounds) passes over 20,000 tokens: half an hour with the 28 layers of 0.6B
on two cores. ``--layers 4`` is quick but flatters Quiver, which runs only the last row of each text behind
the last layer's attention: a fortieth of the work with 28 layers, a sixth with 4.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks import checkpoints
from benchmarks.command import Report, new_parser, run, use_threads, write_json
from benchmarks.samples import TextMaker
from benchmarks.timing import best_of_turns, choose_batch_size, matmul_peak
from quiver import Embedder
from quiver.models.config import read_config


def main() -> int:
    """Time both on one checkpoint."""
    options = _parse()
    threads = use_threads(options.threads)
    with checkpoints.checkpoint(options.checkpoint, "embedding", options) as folder:
        report = measure(folder, options)
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
        "embed_speed",
        "Time Quiver and SentenceTransformer on documents of all lengths.",
        "python -m benchmarks.embed_speed --layers 4 --shortest 5 --longest 2000",
    )
    parser.add_argument("checkpoint", nargs="?", type=Path, help="an embedding model's folder")
    checkpoints.add_options(parser, layers=None)
    parser.add_argument("--texts", type=int, default=64, help="how many (default: 64)")
    parser.add_argument("--shortest", type=int, default=5, help="tokens (default: 5)")
    parser.add_argument("--longest", type=int, default=2000, help="tokens (default: 2000)")
    parser.add_argument("--dtype", choices=("float32", "bfloat16", "float16"), default="float32")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each contestant (default: 3)")
    parser.add_argument(
        "--batch-sizes", type=int, nargs="+", default=(1, 2, 4, 16), help="for SentenceTransformer to choose"
    )
    return parser.parse_args()


def measure(folder: Path, options: argparse.Namespace) -> Report:
    """Check the agreement, then time in turns."""
    from benchmarks.contestants import open_sentence_transformer

    texts = TextMaker(folder).texts(options.texts, options.shortest, options.longest)
    embedder = Embedder(folder, dtype=options.dtype, device="cpu")
    encode = open_sentence_transformer(folder, options.dtype)
    ours = embedder.encode_document(texts, show_progress_bar=False)
    lengths = [len(sequence) for sequence in embedder.tokenize(texts)]
    size = choose_batch_size(lambda size: encode(texts, size), options.batch_sizes)
    before = matmul_peak()
    best = best_of_turns(
        {
            "SentenceTransformer": lambda: encode(texts, size.best),
            "Quiver": lambda: embedder.encode_document(texts, show_progress_bar=False),
        },
        options.rounds,
    )
    peak = max(before, matmul_peak())
    report = Report(
        f"Embedding {len(texts)} documents of {min(lengths)} to {max(lengths):,} tokens",
        ["contestant", "seconds", "tokens/s", "share of peak", "ratio"],
    )
    operations = _operations(folder, lengths)
    for name, seconds in best.items():
        share, ratio = operations / seconds / peak, best["SentenceTransformer"] / seconds
        speed = sum(lengths) / seconds
        report.add(
            [name, f"{seconds:.2f}", f"{speed:,.0f}", f"{share:.0%}", f"{ratio:.2f}"],
            {
                "contestant": name,
                "seconds": seconds,
                "tokens_per_second": speed,
                "peak": share,
                "ratio": ratio,
            },
        )
    report.facts = {
        "tokens": f"{sum(lengths):,} ({ours.usage.tokens_computed:,} computed by Quiver)",
        "peak": f"{peak / 1e9:.0f} GFLOP/s, a float32 product of 3072 x 3072 matrices in PyTorch",
        "SentenceTransformer's batch size": str(size),
        "largest difference": f"{np.abs(np.asarray(ours) - size.result).max():.1e}",
        "rounds": options.rounds,
    }
    return report


def _operations(folder: Path, lengths: Sequence[int]) -> int:
    """What these texts' vectors need; in the last layer, keys and values of all rows and the rest of one."""
    config = read_config(folder)
    tokens, attended = sum(lengths), sum(n * (n + 1) // 2 for n in lengths)
    row = config.hidden_size * (2 * config.query_size + 3 * config.intermediate_size)
    unneeded_rows, unneeded_pairs = tokens - len(lengths), attended - tokens
    return config.flops(tokens, attended) - 2 * (unneeded_rows * row + unneeded_pairs * 2 * config.query_size)


if __name__ == "__main__":
    run(main)

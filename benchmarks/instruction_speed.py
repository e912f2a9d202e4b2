"""Instructions: many queries under one long instruction, Quiver against sentence-transformers.

Tasks, few-shot examples and rules make instructions many times as long as the queries that follow. Both
libraries run the same strings on the same checkpoint in the same process and take turns; medians count.
Quiver runs the instruction once; how many tokens that saves is checked against a count made here.

Costs about (1 + batch sizes + rounds) passes over 25,000 tokens: half an hour with the 28 layers of 0.6B on
two cores, ``--layers 4`` a sixth of it.
"""

import argparse
from pathlib import Path

import numpy as np

from benchmarks import checkpoints, sharing
from benchmarks.command import Report, new_parser, run, use_threads, write_json
from benchmarks.samples import TextMaker
from benchmarks.timing import choose_batch_size, median_of_turns
from quiver import Embedder
from quiver.text.prompts import query_prompt

SHORTEST, LONGEST = 8, 40
"""Tokens of a query."""


def main() -> int:
    """Time both on one checkpoint."""
    options = _parse()
    threads = use_threads(options.threads)
    with checkpoints.checkpoint(options.checkpoint, "embedding", options) as folder:
        report = measure(folder, options)
    report.facts |= {
        "checkpoint": checkpoints.describe(options),
        "dtype": options.dtype,
        "threads": threads,
        "rounds": options.rounds,
    }
    report.show()
    write_json(options.json, [report])
    return 0


def _parse() -> argparse.Namespace:
    parser = new_parser(
        "instruction_speed",
        "Time Quiver and SentenceTransformer on many queries under one long instruction.",
        "python -m benchmarks.instruction_speed --layers 4",
    )
    parser.add_argument("checkpoint", nargs="?", type=Path, help="an embedding model's folder")
    checkpoints.add_options(parser, layers=None)
    parser.add_argument("--queries", type=int, default=100, help="how many (default: 100)")
    parser.add_argument("--instruction", type=int, default=200, help="its length in tokens (default: 200)")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each contestant (default: 5)")
    parser.add_argument(
        "--batch-sizes", type=int, nargs="+", default=(4, 16, 32), help="for SentenceTransformer to choose"
    )
    return parser.parse_args()


def measure(folder: Path, options: argparse.Namespace) -> Report:
    """Check the tokens and the agreement, then time in turns."""
    from benchmarks.contestants import open_sentence_transformer

    maker = TextMaker(folder)
    instruction = maker.text(options.instruction).strip()
    queries = maker.texts(options.queries, SHORTEST, LONGEST)
    prompted = [query_prompt(instruction) + query for query in queries]
    embedder = Embedder(folder, dtype=options.dtype, device="cpu")
    encode = open_sentence_transformer(folder, options.dtype)
    ours = embedder.encode_query(queries, instruction=instruction, show_progress_bar=False)
    prefix = sharing.check_usage(embedder.tokenize(prompted), ours.usage)
    size = choose_batch_size(lambda size: encode(prompted, size), options.batch_sizes)
    seconds = median_of_turns(
        {
            "SentenceTransformer": lambda: encode(prompted, size.best),
            "Quiver": lambda: embedder.encode_query(
                queries, instruction=instruction, show_progress_bar=False
            ),
        },
        options.rounds,
    )
    title = f"Embedding {len(queries)} queries under one instruction"
    report = sharing.compare(title, "SentenceTransformer", ours.usage, seconds, len(queries))
    report.facts = {
        "shared prefix": f"{prefix} tokens (the instruction)",
        "SentenceTransformer's batch size": str(size),
        "largest difference": f"{np.abs(np.asarray(ours) - size.result).max():.1e}",
    }
    return report


if __name__ == "__main__":
    run(main)

"""Short query: one query of 20 tokens, as it comes to a search box, on every installed library.

A forward pass must read every weight of the layers once, so memory bounds it, and so does the arithmetic of
20 tokens where the processor has no matrix units. Both shares are of what ``benchmarks.peak`` measures in
the same run. Quantised formats read a little more than a byte for each weight; the bytes here are the
weights' alone.

Contestants take turns query by query, so each finds the caches as others left them. Costs seconds.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks import checkpoints
from benchmarks.command import Report, new_parser, run, write_json
from benchmarks.peak import Peak, count_cores, measure_peak
from benchmarks.peers import contest as peers
from benchmarks.peers.contest import Contest, Turn, median_seconds
from benchmarks.samples import real_texts
from benchmarks.work import count_operations, weight_bytes

TOKENS = 20
"""Of a query, the end token included."""


def main() -> int:
    """Hold the contest on one checkpoint."""
    options = _parse()
    threads = options.threads or count_cores()
    with checkpoints.checkpoint(options.checkpoint, "embedding", options) as folder:
        texts = real_texts(folder, None, options.queries, TOKENS - 1, TOKENS - 1)
        queries = peers.tokenized(folder, texts)
        before = measure_peak(threads)
        with peers.open_contest(folder, threads, options) as contest:
            sizes = contest.choose_batch_sizes(queries[:1])
            turns: dict[str, list[Turn]] = {name: [] for name in contest.contestants}
            for query in queries:
                for name, taken in contest.take_turns([query], sizes, options.rounds).items():
                    turns[name] += taken
            report = _report(folder, contest, turns, before.best(measure_peak(threads)))
    report.facts |= {
        "checkpoint": checkpoints.describe(options),
        "threads": threads,
        "turns": options.rounds * options.queries,
    }
    report.show()
    write_json(options.json, [report])
    return 0


def _parse() -> argparse.Namespace:
    parser = new_parser(
        "short_query",
        "Time every installed library on one short query.",
        "python -m benchmarks.short_query --python llama_cpp=../llama-venv/bin/python",
    )
    parser.add_argument("checkpoint", nargs="?", type=Path, help="an embedding model's folder")
    checkpoints.add_options(parser, layers=None)
    peers.add_options(parser)
    parser.add_argument("--queries", type=int, default=5, help="different queries (default: 5)")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each with each query (default: 5)")
    return parser.parse_args()


def _report(folder: Path, contest: Contest, turns: Mapping[str, Sequence[Turn]], peak: Peak) -> Report:
    seconds = {name: median_seconds(each) for name, each in turns.items()}
    report = Report(
        f"One query of {TOKENS} tokens",
        ["contestant", "milliseconds", "GB of weights", "share of reading", "share of arithmetic"],
    )
    for name, taken in seconds.items():
        precision = contest.contestants[name].precision
        read = weight_bytes(folder, precision)
        reading = read / taken / (peak.read_gbps * 1e9)
        arithmetic = count_operations(folder, [TOKENS]) / taken / peak.operations(precision)
        cells = [name, f"{1e3 * taken:.1f}", f"{read / 1e9:.2f}", f"{reading:.0%}", f"{arithmetic:.0%}"]
        record = {"contestant": name, "seconds": taken, "turns": [turn.seconds for turn in turns[name]]}
        report.add(cells, record | {"weight_bytes": read, "reading": reading, "arithmetic": arithmetic})
    report.facts = {"limits": str(peak)} | peers.verdicts(seconds) | contest.facts()
    return report


if __name__ == "__main__":
    run(main)

"""Throughput: mixed real texts through Quiver and every other library that is installed.

Each contestant has a process of its own (``benchmarks.peers``), the same checkpoint, the same texts and
threads, and the batch size that is fastest for it on these texts. They take turns; medians
count. No text shares a beginning with another, so Quiver saves nothing by prefixes here.

A share of the limit is the operations that these texts need, padding and vocabulary left out, over the time
and over what ``benchmarks.peak`` measures for the precision in the same run. Cosines are with Quiver's
float32 vectors.

Costs about (3 to 6 + rounds) passes for each contestant: hours with the 28 layers of 0.6B on two
cores, most of it for bfloat16 in libraries that have no fast way on the machine. ``--layers 4`` is quick
but flatters Quiver, which runs only the last row of each text behind the last layer's attention: a fortieth
of the work with 28 layers, a sixth with 4.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks import checkpoints
from benchmarks.command import BenchmarkError, Report, new_parser, run, write_json
from benchmarks.peak import Peak, count_cores, measure_peak
from benchmarks.peers import contest as peers
from benchmarks.peers.contest import Contest, Turn, median_seconds
from benchmarks.samples import real_texts
from benchmarks.work import count_operations

DEFAULT_OF_SENTENCE_TRANSFORMERS = "sentence-transformers bfloat16"
"""It takes the precision that the checkpoint is stored in."""


def main() -> int:
    """Hold the contest on one checkpoint."""
    options = _parse()
    threads = options.threads or count_cores()
    with checkpoints.checkpoint(options.checkpoint, "embedding", options) as folder:
        texts = real_texts(folder, options.data, options.texts, options.shortest, options.longest)
        sequences = peers.tokenized(folder, texts)
        lengths = [len(each.ids) for each in sequences]
        before = measure_peak(threads)
        with peers.open_contest(folder, threads, options) as contest:
            sizes = contest.choose_batch_sizes(sequences)
            turns = contest.take_turns(sequences, sizes, options.rounds)
            peak = before.best(measure_peak(threads))
            report = _report(contest, turns, sizes, lengths, count_operations(folder, lengths), peak)
    report.facts |= {
        "checkpoint": checkpoints.describe(options),
        "threads": threads,
        "rounds": options.rounds,
    }
    report.show()
    write_json(options.json, [report])
    return 0


def _parse() -> argparse.Namespace:
    parser = new_parser(
        "throughput",
        "Time every installed library on mixed real texts.",
        "python -m benchmarks.throughput --python vllm=../vllm-venv/bin/python",
    )
    parser.add_argument("checkpoint", nargs="?", type=Path, help="an embedding model's folder")
    checkpoints.add_options(parser, layers=None)
    peers.add_options(parser)
    parser.add_argument("--data", type=Path, help="folder of sets with texts (default: Python's own manual)")
    parser.add_argument("--texts", type=int, default=16, help="how many (default: 16)")
    parser.add_argument("--shortest", type=int, default=5, help="tokens (default: 5)")
    parser.add_argument("--longest", type=int, default=2000, help="tokens (default: 2000)")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each contestant (default: 5)")
    return parser.parse_args()


def _report(
    contest: Contest,
    turns: Mapping[str, Sequence[Turn]],
    sizes: Mapping[str, int],
    lengths: Sequence[int],
    operations: int,
    peak: Peak,
) -> Report:
    if not turns:
        raise BenchmarkError("no library could run: " + "; ".join(contest.absent.values()))
    seconds = {name: median_seconds(each) for name, each in turns.items()}
    usual = seconds.get(DEFAULT_OF_SENTENCE_TRANSFORMERS)
    report = Report(
        f"Embedding {len(lengths)} real texts of {min(lengths)} to {max(lengths):,} tokens",
        ["contestant", "seconds", "tokens/s", "share of limit", "ratio", "least cosine", "batch size"],
    )
    for name, taken in seconds.items():
        speed, ratio = sum(lengths) / taken, usual and usual / taken
        share = operations / taken / peak.operations(contest.contestants[name].precision)
        cosine = peers.least_cosine(turns[name], turns.get(peers.REFERENCE, turns[name]))
        shown = f"{ratio:.2f}" if ratio else "–"
        cells = [
            name,
            f"{taken:.2f}",
            f"{speed:,.0f}",
            f"{share:.0%}",
            shown,
            f"{cosine:.5f}",
            str(sizes[name]),
        ]
        record = {"contestant": name, "turns": [turn.seconds for turn in turns[name]], "seconds": taken}
        report.add(cells, record | {"share": share, "ratio": ratio, "cosine": cosine})
    report.facts = {
        "tokens": f"{sum(lengths):,}",
        "limits": str(peak),
        "ratio": f"to {DEFAULT_OF_SENTENCE_TRANSFORMERS}",
    }
    report.facts |= peers.verdicts(seconds) | contest.facts()
    return report


if __name__ == "__main__":
    run(main)

"""Memory: peak resident memory of embedding one very long text (default 32,768 tokens).

A child process loads the checkpoint and embeds the text; its peak is what counts, with everything in it:
Python, PyTorch, the weights (mapped files included) and all working memory. The promise is 6 GB for 32,768
tokens at 0.6B shapes in bfloat16.

Costs about 150 TFLOP with all 28 layers (attention is four fifths of it): 20 minutes or more on two cores
without bfloat16 units. Working memory does not depend on the number of layers, so ``--layers 4`` shows it in
a seventh of the time.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

from benchmarks import checkpoints
from benchmarks.command import BenchmarkError, Report, new_parser, run, use_threads, write_json
from benchmarks.samples import TextMaker

CHILD_OPTION = "--in-child"


def main() -> int:
    """Make the checkpoint, run the child, judge its peak."""
    options = _parse()
    if options.in_child:
        print(json.dumps(_embed_one(options)))
        return 0
    with checkpoints.checkpoint(options.checkpoint, "embedding", options) as folder:
        measured = _run_child(folder, options)
    peak = measured["peak"]
    report = Report(
        f"Memory: one text of {options.tokens:,} tokens, {options.dtype}",
        ["moment", "resident GiB"],
        facts={
            "checkpoint": str(options.checkpoint or f"{options.size}, {options.layers or 'all'} layers"),
            "arithmetic": measured["precision"],
            "seconds to embed": round(float(measured["seconds"]), 1),
            "allowed": f"{options.limit} GB",
            "verdict": "within" if float(peak) <= options.limit * 1e9 else "EXCEEDED",
        },
    )
    for moment in ("imported", "loaded", "peak"):
        report.add([moment, f"{float(measured[moment]) / 2**30:.2f}"], {moment: measured[moment]})
    report.show()
    write_json(options.json, [report])
    return 0 if float(peak) <= options.limit * 1e9 else 1


def _parse() -> argparse.Namespace:
    parser = new_parser(
        "memory",
        "Peak memory of embedding one long text, measured in a child process.",
        "python -m benchmarks.memory --layers 4",
    )
    parser.add_argument("checkpoint", nargs="?", type=Path, help="an embedding model's folder")
    checkpoints.add_options(parser, layers=None)
    parser.add_argument("--tokens", type=int, default=32_768, help="length of the text, end token included")
    parser.add_argument("--dtype", default="bfloat16", help="(default: bfloat16)")
    parser.add_argument("--limit", type=float, default=6.0, help="GB that must suffice (default: 6)")
    parser.add_argument(CHILD_OPTION, action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def _run_child(folder: Path, options: argparse.Namespace) -> dict[str, str]:
    arguments = [str(folder), CHILD_OPTION, "--tokens", str(options.tokens), "--dtype", options.dtype]
    if options.threads:
        arguments += ["--threads", str(options.threads)]
    command = [sys.executable, "-m", "benchmarks.memory", *arguments]
    child = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if child.returncode:
        raise BenchmarkError(f"the child process ended with status {child.returncode}")
    measured: dict[str, str] = json.loads(child.stdout.splitlines()[-1])
    return measured


def _embed_one(options: argparse.Namespace) -> dict[str, str | float]:
    from quiver import Embedder

    use_threads(options.threads)
    imported = _peak_bytes()
    embedder = Embedder(options.checkpoint, dtype=options.dtype)
    loaded = _peak_bytes()
    text = TextMaker(options.checkpoint).text(options.tokens - 1)
    begun = time.perf_counter()
    vector = embedder.encode_document(text, show_progress_bar=False)
    seconds = time.perf_counter() - begun
    if vector.usage.tokens_in != options.tokens:
        raise BenchmarkError(f"the text has {vector.usage.tokens_in:,} tokens, not {options.tokens:,}")
    return {
        "imported": imported,
        "loaded": loaded,
        "peak": _peak_bytes(),
        "seconds": seconds,
        "precision": embedder.fingerprint.precision,
    }


def _peak_bytes() -> int:
    """Peak resident memory of this process.

    Linux counts the parent's peak into a child's ``getrusage``; VmHWM is the child's own.
    """
    status = Path("/proc/self/status")
    if status.exists():
        lines = status.read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
    try:
        import resource
    except ModuleNotFoundError as error:
        raise BenchmarkError("peak memory is read with resource.getrusage, which Windows lacks") from error
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


if __name__ == "__main__":
    run(main)

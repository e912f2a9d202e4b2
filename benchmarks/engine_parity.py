"""Parity of engines: the same vectors and scores from vLLM and from servers as from the PyTorch engine.

``remote`` is our own server (``quiver serve``) as a process, ``vllm`` the engine of that name,
``vllm-server`` the remote engine over vLLM's own server (embedding only: that server has no template for
these pairs). All run on a random checkpoint of the real shapes; texts are those of ``benchmarks.parity``.

Fails (exit 1) where a vector's cosine with the PyTorch engine's of the same number format is below 0.999, or
a score differs by more than 0.01. In float32 (``--dtype float32``) engines differ by their order of additions
only, so that the limits are 0.99999 and 0.0001; in bfloat16 the last column shows how far the PyTorch engine
itself is from its float32.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

import quiver
from benchmarks import checkpoints
from benchmarks.command import BenchmarkError, Report, new_parser, run, write_json
from benchmarks.parity_cases import Group, embedding_groups, reranking_groups
from quiver import Embedder, Reranker
from quiver.results import Floats

ENGINES = ("remote", "vllm", "vllm-server")
TRUTH = "torch"
EXACT = "torch in float32"
MIN_COSINE = {"bfloat16": 0.999, "float32": 0.99999}
LARGEST_DIFFERENCE = {"bfloat16": 0.01, "float32": 1e-4}
LENGTHS = (1, 2, 17, 100, 512, 2048)
PATIENCE = 300
"""Seconds for a server to start."""


def main() -> int:
    """Compare every engine that is asked for; 1 if one is outside the tolerances."""
    options = _parse()
    with checkpoints.checkpoint(options.checkpoint, options.kind, options) as folder:
        report, equal = _compare(folder, options)
    report.show()
    write_json(options.json, [report])
    return 0 if equal else 1


def _parse() -> argparse.Namespace:
    parser = new_parser(
        "engine_parity",
        "Compare engines with the PyTorch engine.",
        "python -m benchmarks.engine_parity --engines remote vllm --vllm ../vllm/bin/python --kind reranker",
    )
    parser.add_argument("checkpoint", nargs="?", type=Path, metavar="CHECKPOINT", help="model folder")
    checkpoints.add_options(parser, layers=4)
    parser.add_argument("--kind", choices=("embedding", "reranker"), default="embedding")
    parser.add_argument("--dtype", choices=MIN_COSINE, default="bfloat16", help="number format of all")
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=["remote"])
    parser.add_argument("--vllm", metavar="PYTHON", default=sys.executable, help="Python that has vLLM")
    parser.add_argument("--tensor-parallel", type=int, default=1, help="devices of the vLLM engine")
    parser.add_argument("--lengths", type=int, nargs="+", default=LENGTHS, help="tokens of the texts")
    return parser.parse_args()


def _compare(folder: Path, options: argparse.Namespace) -> tuple[Report, bool]:
    groups = _groups(folder, options)
    with tempfile.TemporaryDirectory(prefix="quiver-engines-") as work:
        extra = [EXACT] if options.dtype == "bfloat16" else []
        for engine in (TRUTH, *options.engines, *extra):
            for group, rows in zip(groups, _run(engine, folder, groups, options, Path(work)), strict=True):
                group.results[engine] = rows
    columns = [*options.engines, *extra]
    title = f"Engines: {checkpoints.describe(options)} {options.kind}, {options.dtype}"
    report = Report(title, ("case", *columns))
    equal = True
    for group in groups:
        for label in dict.fromkeys(group.labels):
            chosen = np.asarray([other == label for other in group.labels])
            found = {engine: _distance(group, engine, chosen, options.kind) for engine in columns}
            equal &= all(_within(found[engine], options) for engine in options.engines)
            report.add([label, *(f"{value:.6f}" for value in found.values())], {"case": label, **found})
    embeds = options.kind == "embedding"
    what = "least cosine" if embeds else "largest difference of a score"
    report.facts["figures"] = f"{what}, with the PyTorch engine in {options.dtype}"
    report.facts["allowed"] = (MIN_COSINE if embeds else LARGEST_DIFFERENCE)[options.dtype]
    report.facts["verdict"] = "equal" if equal else "OUTSIDE"
    return report, equal


def _groups(folder: Path, options: argparse.Namespace) -> list[Group]:
    if options.kind == "embedding":
        embedder = Embedder(folder)
        return embedding_groups(
            folder, options.lengths, lambda item: embedder.tokenize([item.text], prompt=item.prompt)[0]
        )
    reranker = Reranker(folder)
    return reranking_groups(folder, options.lengths, lambda item: reranker.tokenize([item.pair])[0])


def _distance(group: Group, engine: str, chosen: Any, kind: str) -> float:  # noqa: ANN401  (a mask)
    truth, found = group.results[TRUTH][chosen], group.results[engine][chosen]
    if kind == "embedding":
        return float((truth * found).sum(axis=1).min())
    return float(np.abs(truth - found).max())


def _within(value: float, options: argparse.Namespace) -> bool:
    if options.kind == "embedding":
        return bool(value >= MIN_COSINE[options.dtype])
    return bool(value <= LARGEST_DIFFERENCE[options.dtype])


def _run(
    engine: str, folder: Path, groups: Sequence[Group], options: argparse.Namespace, work: Path
) -> list[Floats]:
    request: dict[str, Any] = {
        "engine": engine,
        "kind": options.kind,
        "model": str(folder),
        "options": {"dtype": options.dtype},
        "settings": {},
        "groups": [_texts(group) for group in groups],
    }
    if engine in (TRUTH, EXACT):
        dtype = "float32" if engine == EXACT else options.dtype
        request |= {"engine": TRUTH, "options": {"dtype": dtype, "device": "cpu"}}
        return _ask_worker(sys.executable, request, work)
    if engine == "vllm":
        request["options"]["max_length"] = max(4096, *options.lengths)
        request["settings"] = {"tensor_parallel_size": options.tensor_parallel}
        return _ask_worker(options.vllm, request, work)
    if engine == "vllm-server" and options.kind == "reranker":
        raise BenchmarkError("vllm-server embeds only")
    request["options"] = {}
    with _served(engine, folder, options) as url:
        request["settings"] = {"url": url, "check": False}
        return _ask_worker(sys.executable, request, work)


def _texts(group: Group) -> dict[str, Any]:
    return {
        "texts": [item.text for item in group.items],
        "documents": [item.document for item in group.items],
        "instructions": [item.instruction for item in group.items if item.instruction is not None],
    }


def _ask_worker(python: str, request: dict[str, Any], work: Path) -> list[Floats]:
    """Run the groups under a Python, which finds Quiver's sources and the benchmarks, but no more of ours."""
    (work / "request.json").write_text(json.dumps(request))
    if not (work / "quiver").exists():
        (work / "quiver").symlink_to(Path(quiver.__file__).parent)
        (work / "benchmarks").symlink_to(Path(__file__).parent)
    paths = {} if python == sys.executable else {"PYTHONPATH": str(work)}
    command = [python, "-m", "benchmarks.engine_worker", work / "request.json", work / "answer.npz"]
    done = subprocess.run(
        [*map(str, command)], env=os.environ | paths, stdout=subprocess.DEVNULL, check=False
    )
    if done.returncode:
        raise BenchmarkError(f"{request['engine']} failed; its messages stand above")
    with np.load(work / "answer.npz") as answer:
        return [answer[name] for name in answer.files]


@contextmanager
def _served(engine: str, folder: Path, options: argparse.Namespace) -> Iterator[str]:
    """A server of the folder, as a process of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    kind = "--embedder" if options.kind == "embedding" else "--reranker"
    ours = [sys.executable, "-m", "quiver", "serve", kind, folder]
    theirs = [options.vllm, "-m", "vllm.entrypoints.openai.api_server", "--model", folder]
    settings = ["--runner", "pooling", "--enforce-eager", "--max-model-len", max(4096, *options.lengths)]
    command = ours if engine == "remote" else [*theirs, *settings]
    command += ["--dtype", options.dtype, "--port", port]
    environment = os.environ | {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_NO_USAGE_STATS": "1"}
    server = subprocess.Popen([*map(str, command)], env=environment, stdout=subprocess.DEVNULL)
    try:
        _wait(server, f"http://127.0.0.1:{port}/v1/models")
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(timeout=60)


def _wait(server: "subprocess.Popen[bytes]", url: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and server.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
        else:
            return
    raise BenchmarkError("the server did not start; its messages stand above")


if __name__ == "__main__":
    run(main)

"""The process of one engine: opens a model as it is told, runs the groups of texts, and writes the numbers.

``python -m benchmarks.engine_worker REQUEST ANSWER`` reads a JSON file and writes an ``.npz`` file. It runs
under the Python of the engine's own environment and needs Quiver there, nothing else of the benchmarks.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from quiver import Embedder, Remote, Reranker, Vllm
from quiver.engine.backends import Backend
from quiver.results import Floats


def main() -> None:
    """Answer one request."""
    request = json.loads(Path(sys.argv[1]).read_text())
    judge = _embed if request["kind"] == "embedding" else _rerank
    np.savez(sys.argv[2], *judge(request))


def _embed(request: dict[str, Any]) -> list[Floats]:
    embedder = Embedder(request["model"], backend=_backend(request), **request["options"])
    print(f"{request['engine']}: {embedder.device}, {embedder.precision}", file=sys.stderr)
    return [
        embedder.encode_query(group["texts"], instruction=group["instructions"])
        if group["instructions"]
        else embedder.encode_document(group["texts"])
        for group in request["groups"]
    ]


def _rerank(request: dict[str, Any]) -> list[Floats]:
    reranker = Reranker(request["model"], backend=_backend(request), **request["options"])
    print(f"{request['engine']}: {reranker.device}, {reranker.precision}", file=sys.stderr)
    return [
        reranker.predict(list(zip(group["texts"], group["documents"], strict=True)))
        for group in request["groups"]
    ]


def _backend(request: dict[str, Any]) -> Backend:
    if request["engine"] == "vllm":
        return Vllm(**request["settings"])
    if "url" in request["settings"]:
        return Remote(**request["settings"])
    backend: Backend = request["engine"]
    return backend


if __name__ == "__main__":
    main()

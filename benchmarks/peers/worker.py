"""The process of one contestant: loads a checkpoint with one library, then encodes what it is sent.

``python -m benchmarks.peers.worker LIBRARY FOLDER PRECISION THREADS`` reads JSON lines from standard input
and writes one JSON line for each, the first once the model is loaded. Time is taken here, around the
library's work alone. What libraries print goes to standard error.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Text:
    """A text and its sequence of tokens, the end token included."""

    text: str
    ids: list[int]


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model that is ready."""

    version: str
    encode: Callable[[Sequence[Text], int], Vectors]
    """(texts, batch size) to unit vectors: [N, E]."""
    batch_sizes: Sequence[int] = (1,)
    """Among which the contest chooses the fastest: texts or tokens, whatever the library counts."""


def main() -> None:
    """Load, then answer until the input ends."""
    library, folder, precision, threads = sys.argv[1:]
    answers = _keep_standard_output()
    try:
        module = import_module(f"benchmarks.peers.{library}")
        loaded: Loaded = module.load(Path(folder), precision, int(threads))
    except ModuleNotFoundError as error:
        _answer(answers, absent=f"not installed ({error})")
        return
    except Exception as error:
        _answer(answers, failed=f"{type(error).__name__}: {error}")
        raise
    _answer(answers, version=loaded.version, batch_sizes=list(loaded.batch_sizes))
    for line in sys.stdin:
        request = json.loads(line)
        texts = [Text(**text) for text in request["texts"]]
        begun = time.perf_counter()
        vectors = loaded.encode(texts, request["batch_size"])
        seconds = time.perf_counter() - begun
        _answer(answers, seconds=seconds, vectors=vectors.tolist())


def _keep_standard_output() -> TextIO:
    """Standard output for the answers only; prints of libraries go to standard error."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return answers


def _answer(answers: TextIO, **content: Any) -> None:  # noqa: ANN401  (whatever JSON holds)
    answers.write(json.dumps(content) + "\n")
    answers.flush()


if __name__ == "__main__":
    main()

"""The shell in this process (fast, with fakes) and as a process of its own (signals, pipes, terminals)."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import quiver
from quiver.cli import embed, rerank
from quiver.cli.loading import ModelOptions
from quiver.cli.main import main
from tests.cli.fakes import FakeEmbedder, FakeReranker

REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Run:
    """How a command ended and what it printed."""

    code: int
    stdout: bytes
    err: str

    @property
    def out(self) -> str:
        return self.stdout.decode()

    @property
    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.split("\n") if line]


class Keyboard(io.TextIOWrapper):
    """Standard input that nobody has piped anything into."""

    def isatty(self) -> bool:
        return True


Shell = Callable[..., Run]


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]) -> Shell:
    """Run a command line in this process; ``stdin=None`` is a keyboard."""

    def run(*arguments: object, stdin: bytes | None = None) -> Run:
        piped = io.TextIOWrapper(io.BytesIO(stdin)) if stdin is not None else Keyboard(io.BytesIO())
        monkeypatch.setattr(sys, "stdin", piped)
        monkeypatch.setattr(sys, "argv", ["quiver", *map(str, arguments)])
        with pytest.raises(SystemExit) as ending:
            main()
        captured = capsysbinary.readouterr()
        code = ending.value.code
        assert isinstance(code, int)
        return Run(code, captured.out, captured.err.decode())

    return run


@pytest.fixture
def embedders(monkeypatch: pytest.MonkeyPatch) -> list[FakeEmbedder]:
    """Fakes that ``quiver embed`` has opened, in place of models."""
    opened: list[FakeEmbedder] = []

    def load(options: ModelOptions, *, dimension: int | None) -> FakeEmbedder:
        opened.append(FakeEmbedder(options, dimension))
        return opened[-1]

    monkeypatch.setattr(embed, "load_embedder", load)
    return opened


@pytest.fixture
def rerankers(monkeypatch: pytest.MonkeyPatch) -> list[FakeReranker]:
    """Fakes that ``quiver rerank`` has opened, in place of models."""
    opened: list[FakeReranker] = []

    def load(options: ModelOptions) -> FakeReranker:
        opened.append(FakeReranker(options))
        return opened[-1]

    monkeypatch.setattr(rerank, "load_reranker", load)
    return opened


def process(*arguments: object, module: str = "tests.cli.fakes", **options: Any) -> "subprocess.Popen[bytes]":
    """Start a command line as a process of its own, by default with the fakes."""
    source = str(Path(quiver.__file__).parents[1])
    paths = [source, str(REPOSITORY), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), **options.pop("environment", {})}
    return subprocess.Popen(
        [sys.executable, "-m", module, *map(str, arguments)],
        env=environment,
        stdout=options.pop("stdout", subprocess.PIPE),
        stderr=options.pop("stderr", subprocess.PIPE),
        stdin=options.pop("stdin", subprocess.DEVNULL),
        **options,
    )


def finished(*arguments: object, stdin: bytes = b"", **options: Any) -> Run:
    """Run a command line as a process of its own to its end."""
    with process(*arguments, stdin=subprocess.PIPE, **options) as running:
        stdout, stderr = running.communicate(stdin, timeout=120)
    return Run(running.returncode, stdout or b"", stderr.decode())

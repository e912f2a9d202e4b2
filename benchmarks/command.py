"""What every benchmark command shares: its parser, optional packages, errors as sentences, and its report."""

import argparse
import json
import platform
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType
from typing import Any

import quiver
from quiver.errors import QuiverError

VERSIONS_OF = ("torch", "transformers", "sentence-transformers", "numpy")


class BenchmarkError(Exception):
    """The benchmark cannot run; the message says what to do."""


def need(module: str, package: str | None = None) -> ModuleType:
    """Import an optional package; raises BenchmarkError with the command that installs it."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        wanted = package or module.split(".")[0].replace("_", "-")
        raise BenchmarkError(f"this benchmark needs {wanted}: run `pip install {wanted}`") from error


def new_parser(name: str, description: str, example: str) -> argparse.ArgumentParser:
    """A parser with the example under its help and the options that every benchmark has."""
    parser = argparse.ArgumentParser(
        prog=f"python -m benchmarks.{name}",
        description=description,
        epilog=f"example: {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the results to this file")
    parser.add_argument("--threads", type=int, help="threads for every contestant (default: PyTorch's)")
    return parser


def run(main: Callable[[], int]) -> None:
    """Run a command; its errors are sentences and its exit status is what ``main`` returns.

    A polite kill ends it as Ctrl-C does, so that temporary checkpoints are removed.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        status = main()
    except (BenchmarkError, QuiverError) as error:
        print(f"error: {error}", file=sys.stderr)
        status = 2
    except KeyboardInterrupt:
        status = 130
    sys.exit(status)


def use_threads(count: int | None) -> int:
    """Set PyTorch's threads for this process; returns how many there are."""
    import torch

    if count is not None:
        torch.set_num_threads(count)
    return torch.get_num_threads()


@dataclass(slots=True)
class Report:
    """A table and facts beside it, printed and written as JSON."""

    title: str
    columns: Sequence[str]
    rows: list[list[str]] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    records: list[dict[str, Any]] = field(default_factory=list)

    def add(self, cells: Sequence[str], record: Mapping[str, Any]) -> None:
        """One row: what is printed, and the same with full digits for JSON."""
        self.rows.append(list(cells))
        self.records.append(dict(record))

    def show(self) -> None:
        """Print the table in Markdown, the facts beneath."""
        print(f"\n{self.title}\n")
        print(markdown(self.columns, self.rows))
        for name, value in self.facts.items():
            print(f"- {name}: {value}")


def markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, the first column left, the others right."""
    widths = [max(len(cell) for cell in cells) for cells in zip(columns, *rows, strict=True)]
    lines = [columns, ["-" * widths[0], *("-" * (w - 1) + ":" for w in widths[1:])], *rows]
    padded = (
        [line[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(line[1:], widths[1:], strict=True))]
        for line in lines
    )
    return "\n".join(f"| {' | '.join(cells)} |" for cells in padded)


def write_json(path: Path | None, reports: Sequence[Report]) -> None:
    """Write reports with the machine and the versions that they were measured with."""
    if path is None:
        return
    content = {
        "machine": machine(),
        "versions": {"quiver": quiver.__version__} | {name: _version(name) for name in VERSIONS_OF},
        "reports": [{"title": r.title, "facts": r.facts, "records": r.records} for r in reports],
    }
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False, default=str) + "\n")


def machine() -> str:
    """The processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"

"""Runs: what results files hold, by the system that was run, several files side by side."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from quiver.errors import InputError
from quiver.evaluate.report.mteb_results import read_mteb_folder
from quiver.evaluate.results import Result, ResultsFile
from quiver.models.fingerprint import Fingerprint

CUT = re.compile(r"(.+)@(\d+)", re.DOTALL)
"""The name of a system whose vectors are cut."""
FINGERPRINT = re.compile(r"quiver1:\S+")
DATA = re.compile(r"data (\w+);")


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One system with its results."""

    name: str
    """Unlike that of any other run; the system's, with precision or file where these tell runs apart."""
    system: str
    precision: str | None
    """Number format of the arithmetic, where the system has a fingerprint."""
    dimension: int | None
    """Length of the vectors, where known."""
    results: Mapping[str, Result]
    """By set."""

    @property
    def model(self) -> str:
        """The system without the length of its vectors."""
        cut = CUT.fullmatch(self.system)
        return cut[1] if cut else self.system

    def score(self, sets: Sequence[str]) -> float | None:
        """The mean over these sets; None unless it has them all."""
        own = [self.results[name].score for name in sets if name in self.results]
        return sum(own) / len(own) if own and len(own) == len(sets) else None


@dataclass(frozen=True, slots=True)
class Runs:
    """Runs side by side."""

    runs: Sequence[Run]

    @property
    def sets(self) -> dict[str, Result]:
        """All sets, each with one of its results, which tells its type, metric and languages."""
        found: dict[str, Result] = {}
        for run in self.runs:
            for name, result in run.results.items():
                found.setdefault(name, result)
        return found

    @property
    def types(self) -> dict[str, list[str]]:
        """Names of the sets of each type."""
        found: dict[str, list[str]] = {}
        for name, result in self.sets.items():
            found.setdefault(result.type, []).append(name)
        return found

    def mark(self, run: Run) -> str:
        """What stands for a run where its name is too long: its number."""
        return f"({self.runs.index(run) + 1})"

    def named(self, run: Run) -> str:
        """Number and name."""
        return f"{self.mark(run)} {run.name}"


def shared_sets(runs: Sequence[Run]) -> list[str]:
    """Sets on which all these runs were scored."""
    if not runs:
        return []
    return [name for name in runs[0].results if all(name in run.results for run in runs)]


def read_runs(paths: Sequence[str | Path]) -> Runs:
    """Read files of results of ``quiver evaluate``, and folders of mteb's.

    Results of the same system from several files are one run; of two results for one set the later file's
    counts. Raises InputError for files that hold none, or sets of one name with different data.
    """
    found: dict[tuple[str, str], dict[str, Result]] = {}
    origin: dict[tuple[str, str], Path] = {}
    data: dict[str, tuple[str, Path]] = {}
    for path in map(Path, paths):
        for result in _results(path):
            digest = _digest(result)
            known, where = data.setdefault(result.set, (digest, path))
            if known != digest:
                raise InputError(
                    f"{path} and {where} have different data for the set {result.set!r}, so that their "
                    "scores do not compare; leave out one"
                )
            key = (result.system, DATA.sub("", result.identity))
            origin.setdefault(key, path)
            found.setdefault(key, {})[result.set] = result
    runs = [_run(results, origin[key]) for key, results in found.items()]
    return Runs(_told_apart(runs, [path.stem for path in origin.values()]))


def _results(path: Path) -> list[Result]:
    if path.is_dir():
        return read_mteb_folder(path)
    if not path.is_file():
        raise InputError(f"{path} is no file; name what quiver evaluate --json or --results wrote")
    results = ResultsFile(path).results
    if not results:
        raise InputError(f"{path} holds no results")
    return results


def _run(results: dict[str, Result], path: Path) -> Run:
    first = next(iter(results.values()))
    cut = CUT.fullmatch(first.system)
    known = FINGERPRINT.search(first.identity)
    fingerprint = Fingerprint.parse(known[0]) if known else None
    return Run(
        name=first.system,
        system=first.system,
        precision=fingerprint.precision if fingerprint else None,
        dimension=int(cut[2]) if cut else fingerprint.dimension if fingerprint else None,
        results=results,
    )


def _told_apart(runs: Sequence[Run], files: Sequence[str]) -> list[Run]:
    """The runs with names that differ: by precision, else by file, else by number."""
    names = [run.name for run in runs]
    for more in (
        [run.precision or "" for run in runs],
        list(files),
        [str(n) for n in range(1, len(runs) + 1)],
    ):
        names = list(_longer(names, more))
    return [replace(run, name=name) for run, name in zip(runs, names, strict=True)]


def _longer(names: Sequence[str], more: Sequence[str]) -> Iterator[str]:
    """Names that occur twice, with more behind them if that differs among them."""
    for name, own in zip(names, more, strict=True):
        rivals = {other for twin, other in zip(names, more, strict=True) if twin == name}
        yield f"{name}, {own}" if len(rivals) > 1 and own else name


def _digest(result: Result) -> str:
    known = DATA.match(result.identity)
    return known[1] if known else ""

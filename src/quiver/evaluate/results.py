"""Results: one score of one system on one set, kept in a file that a stopped run goes on from."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from quiver.errors import InputError
from quiver.whole_file import write_whole

FORMAT = "quiver evaluate 2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How well one system did on one set."""

    set: str
    type: str
    languages: list[str] = field(default_factory=list)
    """Of the set, as its meta.json names them."""
    metric: str
    score: float
    """The metric's value."""
    scores: Mapping[str, float]
    """All values that were computed, the metric's among them."""
    system: str
    """Its name, with ``@N`` for vectors cut to N values and ``+ name`` for a reranking stage."""
    identity: str
    """What the score depends on: digest of the data, fingerprints and limits of the models."""
    texts_cut: int
    """Texts that were longer than the embedder takes."""
    seconds: float
    """For embedding, scoring and reranking; variants of one system share the embedding."""
    data: str = ""
    """Digest of the folder's files."""
    by_query: Mapping[str, float] = field(default_factory=dict)
    """The metric of each query of a ranking, whose mean is the score; empty for other types."""


class ResultsFile:
    """A JSON file of results, whole after every addition; without a path, only in memory.

    Raises InputError if the file is there and is something else.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._results = {(result.set, result.system): result for result in _read(path)}

    @property
    def results(self) -> list[Result]:
        """All that the file holds."""
        return list(self._results.values())

    def find(self, set_name: str, system: str, identity: str) -> Result | None:
        """The result of an earlier run, if it came from the same data and models."""
        found = self._results.get((set_name, system))
        return found if found is not None and found.identity == identity else None

    def add(self, result: Result) -> None:
        """Keep a result, in place of an older one of the same set and system."""
        self._results[result.set, result.system] = result
        if self._path is not None:
            content = {"format": FORMAT, "results": [asdict(each) for each in self._results.values()]}
            try:
                write_whole(self._path, [json.dumps(content, indent=1, ensure_ascii=False), "\n"])
            except OSError as error:
                raise InputError(f"{self._path} cannot be written: {error.strerror or error}") from error


def _read(path: Path | None) -> Iterator[Result]:
    if path is None:
        return
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        if not path.parent.is_dir():
            raise InputError(f"{path} cannot be written: there is no folder {path.parent}") from None
        return
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} is no file of results: {error}; name another, or remove it") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise InputError(f"{path} is no file of results of quiver evaluate; name another, or remove it")
    names = {each.name for each in fields(Result)}
    for record in content.get("results", ()):
        if not isinstance(record, dict) or set(record) != names:
            raise InputError(f"{path}: a result lacks fields or has others; remove the file to begin anew")
        yield Result(**record)

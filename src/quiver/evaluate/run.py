"""The run: every system on every folder, each finished score kept before the next begins."""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from quiver.errors import InputError
from quiver.evaluate.extra import check_installed
from quiver.evaluate.measures import Run
from quiver.evaluate.meta import data_digest, read_meta
from quiver.evaluate.ranking import RankingTask
from quiver.evaluate.results import Result, ResultsFile
from quiver.evaluate.systems import Encoder, Lexical, RerankStage, System, identity_of
from quiver.evaluate.tasks import Task, read_task
from quiver.evaluate.vectors import Embedding, Vectors, cut_to


def evaluate(
    folders: Sequence[str | Path],
    systems: Mapping[str, System],
    *,
    dimensions: Sequence[int] = (),
    reranker: RerankStage | None = None,
    results_file: str | Path | None = None,
    show_progress_bar: bool | None = None,
    on_result: Callable[[Result], None] | None = None,
) -> list[Result]:
    """Score every system on every folder, in their order.

    Args:
        folders: evaluation folders, each with a ``meta.json``; all are checked before anything runs.
        systems: encoders (``quiver.Embedder`` is one) and ``Bm25`` by name.
        dimensions: lengths to which the vectors of every encoder are cut besides, to see what that costs.
        reranker: reorders the first system's best documents of rankings; scored besides.
        results_file: JSON file that each score is added to; those that stand there and come from the same
            data and models are not computed again.
        show_progress_bar: None shows bars if standard error is a terminal.
        on_result: called with each score as soon as it is known.

    Systems that give no vectors (BM25) are scored on rankings only.

    Raises InputError for a folder, system or file that cannot be used.
    """
    check_installed()
    for name, system in systems.items():
        if not isinstance(system, Encoder | Lexical):
            raise InputError(f"{name}: {type(system).__name__} has neither encode_query nor relevance")
    tasks = _read_all(folders)
    stored = ResultsFile(None if results_file is None else Path(results_file))
    found: list[Result] = []
    for task in tasks:
        for place, (name, system) in enumerate(systems.items()):
            stage = reranker if place == 0 else None
            trial = _Trial(task, name, system, dimensions, stage, show_progress_bar)
            for result in trial.results(stored):
                found.append(result)
                if on_result is not None:
                    on_result(result)
    return found


@dataclass(slots=True)
class _Trial:
    """One system on one set, in all its variants."""

    task: Task
    name: str
    system: System
    dimensions: Sequence[int]
    stage: RerankStage | None
    show_progress_bar: bool | None
    _cut: int = field(default=0, init=False)
    _data: str = field(init=False)

    def __post_init__(self) -> None:
        self._data = data_digest(self.task.meta.folder)

    def results(self, stored: ResultsFile) -> Iterator[Result]:
        """The results, from the file where all of them stand there."""
        identities = self._identities()
        known = [stored.find(self.task.meta.name, label, identities[label]) for label in identities]
        if None not in known:
            yield from (result for result in known if result is not None)
            return
        begun = time.monotonic()
        for label, scores, by_query in self._scores():
            result = self._result(label, scores, by_query, identities[label], time.monotonic() - begun)
            stored.add(result)
            yield result

    def _identities(self) -> dict[str, str]:
        """By label of each variant that there will be, what its score depends on."""
        if isinstance(self.system, Lexical) and not isinstance(self.task, RankingTask):
            return {}
        own = f"data {self._data}; {self.name} {identity_of(self.system)}".strip()
        labels = {self.name: own}
        if isinstance(self.system, Encoder):
            labels |= {f"{self.name}@{dimension}": own for dimension in self.dimensions}
        if self.stage is not None and isinstance(self.task, RankingTask):
            stage = f"{self.stage.name} {identity_of(self.stage.model)} top={self.stage.top}"
            labels[f"{self.name} + {self.stage.name}"] = f"{own}; {stage}"
        return labels

    def _scores(self) -> Iterator[tuple[str, dict[str, float], dict[str, float]]]:
        """Label, scores and the single queries' of each variant."""
        if not isinstance(self.task, RankingTask):
            for label, vectors in self._vectors():
                yield label, self.task.score(vectors), {}
            return
        first: Run = {}
        for label, run in self._rankings(self.task):
            first = first or run
            yield label, self.task.measure(run), self.task.measure_queries(run)
        if self.stage is not None:
            reranked = self.task.reranked(first, self.stage, show_progress_bar=self.show_progress_bar)
            label = f"{self.name} + {self.stage.name}"
            yield label, self.task.measure(reranked), self.task.measure_queries(reranked)

    def _rankings(self, task: RankingTask) -> Iterator[tuple[str, Run]]:
        """Label and ranking of each variant, the full one first."""
        if isinstance(self.system, Lexical):
            yield self.name, task.ranked_by_words(self.system)
            return
        for label, vectors in self._vectors():
            yield label, task.ranked_by_vectors(vectors)

    def _vectors(self) -> Iterator[tuple[str, Vectors]]:
        """Label and vectors of each length, the full one first; they are embedded once."""
        if not isinstance(self.system, Encoder):
            return
        embedding = Embedding(self.system, show_progress_bar=self.show_progress_bar)
        full = self.task.embed(embedding)
        self._cut = embedding.cut
        yield self.name, cut_to(full, None)
        for dimension in self.dimensions:
            yield f"{self.name}@{dimension}", cut_to(full, dimension)

    def _result(
        self,
        label: str,
        scores: dict[str, float],
        by_query: dict[str, float],
        identity: str,
        seconds: float,
    ) -> Result:
        meta = self.task.meta
        score = scores.get(meta.metric, math.nan)
        if not math.isfinite(score):
            raise InputError(
                f"{meta.folder}: the {meta.metric} of {label} is undefined; ap needs two labels, "
                "a correlation vectors that differ"
            )
        return Result(
            set=meta.name,
            type=meta.type,
            languages=list(meta.languages),
            metric=meta.metric,
            score=score,
            scores=scores,
            system=label,
            identity=identity,
            texts_cut=self._cut,
            seconds=round(seconds, 3),
            data=self._data,
            by_query=by_query,
        )


def _read_all(folders: Sequence[str | Path]) -> list[Task]:
    """The folders' tasks, each set named once."""
    places: dict[str, Path] = {}
    for folder in map(Path, folders):
        name = read_meta(folder).name
        if name in places:
            raise InputError(f"{folder} and {places[name]} both call themselves {name!r}; leave out one")
        places[name] = folder
    return [read_task(folder) for folder in places.values()]

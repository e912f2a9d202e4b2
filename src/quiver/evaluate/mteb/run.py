"""The run: tasks one after the other through mteb's evaluator, each result on disk before the next begins.

Under the folder of results lie ``results`` (mteb's own files, as its leaderboard reads them), ``rankings``
(what each model found, for a second stage) and ``queries`` (single queries' scores).
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from quiver.errors import InputError
from quiver.evaluate.extra import need
from quiver.evaluate.mteb.queries import QueryScores
from quiver.evaluate.scores import TaskScore
from quiver.whole_file import write_whole

RERANKED_TYPES = ("Retrieval", "Reranking", "InstructionReranking")
"""Tasks that a reranker can do."""

OWN_CANDIDATES = ("Reranking", "InstructionReranking")
"""Tasks that bring the documents to rank."""

UNREACHABLE = (
    "ConnectionError",
    "LocalEntryNotFoundError",
    "OfflineModeIsEnabled",
    "ConnectTimeout",
    "ProxyError",
)
"""Classes of errors (of several libraries) by which a data set that cannot be fetched is known."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """Stored rankings whose best documents a reranker reorders."""

    folder: Path
    top: int = 100

    @property
    def origin(self) -> str:
        """Whose they are and how many count: model, revision, top."""
        return f"{self.folder.parent.name} {self.folder.name} top {self.top}"

    def file(self, task: Any) -> Path:  # noqa: ANN401  (mteb's AbsTask)
        """Where a task's ranking lies."""
        return self.folder / str(task.prediction_file_name)


@dataclass(frozen=True, slots=True)
class Failure:
    """A task that has no score, and why."""

    task: str
    reason: str


@dataclass(slots=True)
class Outcome:
    """What a run gave."""

    scores: list[TaskScore] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)


def evaluate_tasks(
    tasks: Sequence[Any],
    model: Any,  # noqa: ANN401  (whatever mteb runs: encoder, cross-encoder, search)
    *,
    folder: str | Path,
    candidates: Candidates | None = None,
    show_progress_bar: bool | None = None,
    on_score: Callable[[TaskScore, float], None] | None = None,
    on_failure: Callable[[Failure], None] | None = None,
) -> Outcome:
    """Run a model on mteb's tasks; what stands in the folder from an earlier run is not computed again.

    Args:
        tasks: mteb's tasks; with a reranker, rankings only.
        model: ``MtebEncoder``, ``MtebCrossEncoder`` or any model of mteb.
        folder: where results, rankings and queries' scores are kept.
        candidates: rankings of an earlier model for tasks that bring none.
        show_progress_bar: None and True show mteb's bars.
        on_score: called with each score and its seconds as soon as it is known.
        on_failure: called with each task that failed; the others go on.
    """
    outcome = Outcome()
    for task in tasks:
        begun = time.monotonic()
        try:
            score = _Trial(task, model, Path(folder), candidates, show_progress_bar is not False).score()
        except Exception as error:
            failure = Failure(task.metadata.name, explain(error, task))
            outcome.failures.append(failure)
            if on_failure is not None:
                on_failure(failure)
        else:
            outcome.scores.append(score)
            if on_score is not None:
                on_score(score, time.monotonic() - begun)
    return outcome


def rankings_folder(model: Any, folder: str | Path) -> Path:  # noqa: ANN401  (mteb's model)
    """Where a model's rankings are kept under a folder of results."""
    return Path(folder) / "rankings" / _place(model.mteb_model_meta)


def explain(error: Exception, task: Any) -> str:  # noqa: ANN401  (mteb's AbsTask)
    """One line on why a task failed and what to do; an unreachable hub is told from other errors."""
    chain: list[BaseException] = [error]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) is not None and len(chain) < 20:
        chain.append(cause)
    kinds = {kind.__name__ for link in chain for kind in type(link).__mro__}
    if kinds.intersection(UNREACHABLE):
        return (
            f"its data set {task.metadata.dataset['path']} cannot be downloaded: the hub is not reachable "
            "and the data are not in the cache; run again with a network, or set HF_HUB_OFFLINE=1 to take "
            "what is in the cache without waiting"
        )
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:300]}" if text else type(error).__name__


@dataclass(slots=True)
class _Trial:
    """One model on one task."""

    task: Any
    model: Any
    folder: Path
    candidates: Candidates | None
    show: bool

    def score(self) -> TaskScore:
        """The score, from the folder if it stands there whole."""
        meta = self.model.mteb_model_meta
        cache = need("mteb").ResultCache(self.folder)
        known = cache.load_task_result(self.task.metadata.name, meta)
        current = known is not None and known.is_mergeable(self.task)
        missing = current and known.get_missing_evaluations(self.task)
        if not current or missing or not self._has_ranking():
            # mteb by itself goes on from what other data gave, and does not know of rankings.
            queries = self._run(cache, anew=not missing)
            _write(self._queries_file(), queries)
            # Files round: what was just computed and what a later run reads must be the same.
            known = cache.load_task_result(self.task.metadata.name, meta)
        score = float(known.get_score(splits=list(self.task.eval_splits)))
        return TaskScore(
            task=self.task.metadata.name,
            type=self.task.metadata.type,
            score=score,
            by_query=_read(self._queries_file()),
        )

    def _run(self, cache: Any, *, anew: bool) -> Mapping[str, Mapping[str, float]]:  # noqa: ANN401
        """Let mteb evaluate and file the result; returns the queries' scores."""
        own_data = self.task.data_loaded
        self._reorder_candidates()
        with QueryScores(self.task) as queries:
            found = need("mteb").evaluate(
                self.model,
                self.task,
                cache=cache,
                co2_tracker=False,
                encode_kwargs={"batch_size": 32, "show_progress_bar": self.show},
                overwrite_strategy="always" if anew else "only-missing",
                prediction_folder=self._rankings_folder(),
                show_progress_bar=False,
            )
        if not own_data:
            self.task.unload_data()
        return queries.of_main_score(found.task_results[0])

    def _reorder_candidates(self) -> None:
        """Give a task that brings no documents to rank those of the stored ranking."""
        if self.candidates is None or self.task.metadata.type in OWN_CANDIDATES:
            return
        path = self.candidates.file(self.task)
        if not path.is_file():
            raise InputError(
                f"there is no ranking {path}; run the embedder on this task first, with the same --results"
            )
        self.task.convert_to_reranking(path, top_k=self.candidates.top)

    def _rankings_folder(self) -> Path | None:
        """Where the ranking goes, if the task makes one that a second stage may need."""
        if self.task.metadata.type != "Retrieval" or self.candidates is not None:
            return None
        return rankings_folder(self.model, self.folder)

    def _has_ranking(self) -> bool:
        folder = self._rankings_folder()
        return folder is None or (folder / self.task.prediction_file_name).is_file()

    def _queries_file(self) -> Path:
        place = _place(self.model.mteb_model_meta)
        return self.folder / "queries" / place / f"{self.task.metadata.name}.json"


def _place(meta: Any) -> Path:  # noqa: ANN401  (mteb's ModelMeta)
    """Model, revision and what else distinguishes a run, as mteb's result files have it."""
    place = Path(meta.model_name_as_path()) / (meta.revision or "unknown")
    return place / "experiments" / meta.experiment_name if meta.experiment_name else place


def _write(path: Path, queries: Mapping[str, Mapping[str, float]]) -> None:
    if queries:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, [json.dumps(queries, ensure_ascii=False), "\n"])


def _read(path: Path) -> Mapping[str, Mapping[str, float]]:
    """Scores that are absent or damaged cost the interval, not the run."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}

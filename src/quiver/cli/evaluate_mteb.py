"""``quiver evaluate`` through mteb: benchmarks by name, and folders where ``--results`` is given."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from quiver.cli import options
from quiver.cli.loading import ModelOptions, embedder_name, load_embedder, load_reranker, reranker_name
from quiver.cli.summary import counted

if TYPE_CHECKING:
    from quiver.evaluate.mteb.run import Failure
    from quiver.evaluate.scores import TaskScore

BUILTIN = "builtin"
"""What names the shipped reranker, since without --reranker there is none."""

RESULTS = Path("results")
"""Where a benchmark's results are kept if nothing is said."""

QWEN3_MAX_LENGTH = 8192
"""Tokens to which Qwen3 Embedding's evaluation cut texts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MtebOptions:
    """What the command line says about a run of mteb."""

    tasks: Sequence[str]
    results: Path | None
    candidates: Path | None
    published: Sequence[str]


def mteb_options(
    task: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only this task of the benchmark. Repeatable."),
    ] = None,
    results: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Run mteb's own evaluator and keep its files here; a stopped run goes on from them. For a "
            f"benchmark '{RESULTS}' if not given.",
        ),
    ] = None,
    candidates: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Rerank the rankings of an earlier run, which lie under rankings/ of its --results; no "
            "embedder runs.",
        ),
    ] = None,
    published: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MODEL",
            help="Compare with this row of the published tables; else with the model's own, or with that of "
            "the 0.6B model. Repeatable.",
        ),
    ] = None,
) -> MtebOptions:
    """Gather the options of a run of mteb."""
    return MtebOptions(tasks=task or (), results=results, candidates=candidates, published=published or ())


@dataclass(slots=True)
class MtebRun:
    """One run: what is evaluated, on what, and what became of it."""

    given: MtebOptions
    common: ModelOptions
    benchmark: str | None
    folders: Sequence[Path]
    dimension: int | None
    reranker: str | None
    rerank_top: int
    quiet: bool

    def run(self) -> "dict[str, list[TaskScore]]":
        """By system the scores; raises TasksFailed at the end if some have none."""
        from quiver.errors import TasksFailed
        from quiver.evaluate.mteb import Candidates, rankings_folder

        tasks, failures, scores = self._tasks(), 0, {}
        lists = self.given.candidates
        if lists is None:
            model = self._embedder()
            scores[self.name], failures = self._evaluate(tasks, model, self.name)
            lists = rankings_folder(model, self._folder)
        elif self.reranker is None:
            raise typer.BadParameter("--candidates: give --reranker, which is to reorder them")
        if self.reranker is not None:
            found, failed = self._rerank(tasks, Candidates(lists, self.rerank_top))
            scores[self.reranked_name], failures = found, failures + failed
        self.write(scores)
        if failures:
            raise TasksFailed(f"{counted(failures, 'task')} failed; the same command runs only what failed")
        return scores

    @property
    def name(self) -> str:
        """The embedder's."""
        return embedder_name(self.common)

    @property
    def reranked_name(self) -> str:
        """Of the embedder's lists in the reranker's order."""
        own = reranker_name(self._reranker_options)
        return f"{self.name} + {own}" if self.given.candidates is None else own

    @property
    def _folder(self) -> Path:
        return self.given.results or RESULTS

    @property
    def _limited(self) -> ModelOptions:
        length = self.common.max_length
        if length is None and self.benchmark:
            length = QWEN3_MAX_LENGTH
        return replace(self.common, max_length=length)

    @property
    def _reranker_options(self) -> ModelOptions:
        model = None if self.reranker == BUILTIN else self.reranker
        return replace(self._limited, model=model, revision=None)

    @property
    def _instruction_of(self) -> Callable[..., str | None]:
        from quiver.evaluate.mteb import folder_instruction, qwen3_instruction

        return qwen3_instruction if self.benchmark else folder_instruction

    def _tasks(self) -> list[Any]:
        from quiver.evaluate.mteb import benchmark_tasks, folder_task

        if self.benchmark is not None:
            return benchmark_tasks(self.benchmark, self.given.tasks)
        if self.given.tasks:
            raise typer.BadParameter("--task: names a task of a benchmark; leave out folders instead")
        return [folder_task(folder) for folder in self.folders]

    def _embedder(self) -> Any:  # noqa: ANN401  (mteb's model)
        from quiver.evaluate.mteb import MtebEncoder, is_mteb_model, open_mteb_model

        if is_mteb_model(self.common.model):
            return open_mteb_model(self.name, device=self.common.device, revision=self.common.revision)
        encoder = load_embedder(self._limited, dimension=self.dimension)
        return MtebEncoder(encoder, self.name, self._instruction_of, own_instructions=self.benchmark is None)

    def _rerank(self, tasks: Sequence[Any], candidates: Any) -> "tuple[list[TaskScore], int]":  # noqa: ANN401
        from quiver.evaluate.mteb import (
            RERANKED_TYPES,
            MtebCrossEncoder,
            is_mteb_model,
            open_mteb_model,
            reordering,
        )

        own = self._reranker_options
        name = reranker_name(own)
        if is_mteb_model(own.model):
            model = open_mteb_model(name, device=own.device, revision=None)
        else:
            model = MtebCrossEncoder(load_reranker(own), name, self._instruction_of)
        rankings = [task for task in tasks if task.metadata.type in RERANKED_TYPES]
        model = reordering(model, candidates.origin)
        return self._evaluate(rankings, model, self.reranked_name, candidates=candidates)

    def _evaluate(
        self,
        tasks: Sequence[Any],
        model: Any,  # noqa: ANN401  (mteb's model)
        name: str,
        **more: Any,  # noqa: ANN401
    ) -> "tuple[list[TaskScore], int]":
        from quiver.evaluate.mteb import evaluate_tasks

        say = options.say_nothing if self.quiet else options.say_on_stderr

        def on_score(score: "TaskScore", seconds: float) -> None:
            say(f"{score.task}: {name}: {100 * score.score:.2f} ({seconds:.1f} s)")

        def on_failure(failure: "Failure") -> None:
            options.say_on_stderr(f"{failure.task}: {name}: failed: {failure.reason}")

        outcome = evaluate_tasks(
            tasks,
            model,
            folder=self._folder,
            show_progress_bar=False if self.quiet else None,
            on_score=on_score,
            on_failure=on_failure,
            **more,
        )
        return outcome.scores, len(outcome.failures)

    def write(self, scores: "dict[str, list[TaskScore]]") -> None:
        """The scores by task with their means, and beside the published ones."""
        from quiver.cli.compared import write_compared, write_scores

        if any(scores.values()):
            write_scores(scores)
        if self.benchmark is not None:
            write_compared(scores, self.benchmark, self.given.published)

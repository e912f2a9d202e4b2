"""``quiver evaluate``: how well models do on folders of evaluation data, and on mteb's benchmarks."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from quiver.cli import options
from quiver.cli.evaluate_mteb import BUILTIN, MtebOptions, MtebRun, mteb_options
from quiver.cli.gate import GateOptions, gate_options
from quiver.cli.grouped import with_options
from quiver.cli.loading import ModelOptions, embedder_name, load_embedder, load_reranker, reranker_name

if TYPE_CHECKING:
    from quiver.evaluate import RerankStage, Result, System

EXAMPLES = """\b
Examples:
  quiver evaluate sets/cranfield-en sets/stsb-en
  quiver evaluate sets/* --compare bm25 --dim 128 --dim 64 --json results.json
  quiver evaluate sets/xquad-en --model Qwen/Qwen3-Embedding-0.6B --reranker Qwen/Qwen3-Reranker-0.6B
  quiver evaluate sets/* --compare sentence-transformers:intfloat/multilingual-e5-small
  quiver evaluate "MTEB(eng, v2)" --task SciFact --model Qwen/Qwen3-Embedding-0.6B
  quiver evaluate sets/* --model my-merge --gate baseline.json
"""

BM25 = "bm25"
SENTENCE_TRANSFORMERS = "sentence-transformers:"


@with_options("gate", gate_options)
@with_options("mteb", mteb_options)
def evaluate(
    sets: Annotated[
        list[str],
        typer.Argument(
            help="Evaluation folders, each with a meta.json; or one benchmark: MTEB(Multilingual, v2), "
            "MTEB(eng, v2), MTEB(cmn, v1), MTEB(Code, v1), MLDR or FollowIR.",
            show_default=False,
        ),
    ],
    model: options.Model = None,
    revision: options.Revision = None,
    reranker: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Rerank what the model finds: hub name, folder or builtin."),
    ] = None,
    rerank_top: Annotated[
        int, typer.Option(min=1, metavar="N", help="Documents of each query that are reranked.")
    ] = 100,
    dimensions: Annotated[
        list[int] | None,
        typer.Option(
            "--dim", min=1, metavar="N", help="Also score vectors cut to N values (Matryoshka). Repeatable."
        ),
    ] = None,
    compare: Annotated[
        list[str] | None,
        typer.Option(metavar="SYSTEM", help="Also score bm25 or sentence-transformers:NAME. Repeatable."),
    ] = None,
    results_file: Annotated[
        Path | None,
        typer.Option("--json", metavar="FILE", help="Keep scores here; a stopped run goes on from them."),
    ] = None,
    max_length: options.MaxLength = None,
    device: options.Device = None,
    dtype: options.DtypeOption = options.Dtype.AUTO,
    token_budget: options.TokenBudget = None,
    quiet: options.Quiet = False,
    *,
    mteb: MtebOptions,
    gate: GateOptions,
) -> None:
    """Score a model on sets of retrieval, reranking, similarity, classification, clustering and bitext.

    The numbers are mteb's on the same data. Texts longer than the limit are cut, and counted.
    """
    from quiver.evaluate import evaluate as run
    from quiver.evaluate.gate import measured

    common = ModelOptions(
        model=model,
        revision=revision,
        device=device,
        dtype=dtype.value,
        max_length=max_length,
        truncate=True,
        token_budget=token_budget,
    )
    benchmark = _benchmark(sets)
    if benchmark is not None or mteb.results is not None:
        if compare or results_file or len(dimensions or ()) > 1:
            raise typer.BadParameter("mteb's evaluator takes no --compare, no --json and one --dim at most")
        _through_mteb(
            MtebRun(
                given=mteb,
                common=common,
                benchmark=benchmark,
                folders=[] if benchmark else list(map(Path, sets)),
                dimension=dimensions[0] if dimensions else None,
                reranker=reranker,
                rerank_top=rerank_top,
                quiet=quiet,
            ),
            gate,
        )
        return
    name = embedder_name(common)
    systems: dict[str, System] = {name: load_embedder(common, dimension=None)}
    systems |= dict(_compared(name, device) for name in compare or ())
    say = options.say_nothing if quiet else options.say_on_stderr
    results = run(
        list(map(Path, sets)),
        systems,
        dimensions=dimensions or (),
        reranker=None if reranker is None else _stage(reranker, common, rerank_top),
        results_file=results_file,
        show_progress_bar=False if quiet else None,
        on_result=lambda result: say(_line(result)),
    )
    _write_table(results)
    gate.apply(measured(results, name))


def _benchmark(sets: Sequence[str]) -> str | None:
    """The one benchmark that is named; None if all are folders."""
    from quiver.evaluate.mteb import benchmark_name

    names = [name for text in sets if (name := benchmark_name(text)) is not None]
    if names and len(sets) > 1:
        raise typer.BadParameter(f"{names[0]} runs alone: name one benchmark, or folders")
    return names[0] if names else None


def _through_mteb(run: MtebRun, gate: GateOptions) -> None:
    from quiver.evaluate.gate import RERANKED, measured_tasks

    scores = run.run()
    found = measured_tasks(scores.get(run.name, ()))
    if run.reranker is not None:
        found += measured_tasks(scores.get(run.reranked_name, ()), RERANKED)
    gate.apply(found)


def _compared(name: str, device: str | None) -> "tuple[str, System]":
    from quiver.evaluate import Bm25, SentenceTransformerEncoder

    if name == BM25:
        return "BM25", Bm25()
    if name.startswith(SENTENCE_TRANSFORMERS):
        path = name.removeprefix(SENTENCE_TRANSFORMERS)
        return name, SentenceTransformerEncoder(path, device=device)
    raise typer.BadParameter(f"--compare {name}: give {BM25} or {SENTENCE_TRANSFORMERS}NAME")


def _stage(name: str, common: ModelOptions, top: int) -> "RerankStage":
    from dataclasses import replace

    from quiver.evaluate import RerankStage

    own = replace(common, model=None if name == BUILTIN else name, revision=None)
    return RerankStage(name=reranker_name(own), model=load_reranker(own), top=top)


def _line(result: "Result") -> str:
    cut = f", {result.texts_cut:,} texts cut" if result.texts_cut else ""
    score = f"{result.metric} {result.score:.4f}"
    return f"{result.set}: {result.system}: {score} ({result.seconds:.1f} s{cut})"


def _write_table(results: "Sequence[Result]") -> None:
    """Sets by type, a column of scores for each system; names too long for columns stand above."""
    from quiver.cli.tables import Column, write_table
    from quiver.cli.target import open_target
    from quiver.cli.terminal import one_line
    from quiver.evaluate.report import by_type

    systems = {name: f"({number})" for number, name in enumerate(dict.fromkeys(r.system for r in results), 1)}
    columns = [Column("set"), Column("metric"), *(Column(mark, align="right") for mark in systems.values())]
    rows = (
        (row.name, row.metric, *(_cell(row.scores.get(name)) for name in systems)) for row in by_type(results)
    )
    with open_target(None) as target:
        for name, mark in systems.items():
            target.write(f"{mark} {one_line(name)}\n".encode())
        target.write(b"\n")
        write_table(target, columns, rows)


def _cell(score: float | None) -> str:
    return "–" if score is None else f"{score:.4f}"

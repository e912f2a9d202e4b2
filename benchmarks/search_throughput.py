"""Search throughput: how much of the engine's speed remains when a tree of files is indexed.

Indexes ``--files`` as ``quiver index`` does, then embeds the very texts of its passages with nothing around
it, and again indexes, so that a machine that slows down is seen. Reading, cutting and storing are to hide
behind embedding.

    nice python -m benchmarks.search_throughput --files DIR
"""

import argparse
import tempfile
import time
from pathlib import Path

from benchmarks.command import Report, new_parser, run, write_json
from benchmarks.file_tree import add_tree_options, index_tree
from quiver import Embedder
from quiver.search.described import described
from quiver.search.home import HOME_NAME, IndexHome
from quiver.search.store import Store


def main() -> int:
    """Index, embed, index."""
    options = _parse()
    embedder = Embedder(options.embedder, on_too_long="truncate")
    embedder.encode_document(["warm up"], show_progress_bar=False)
    report = Report("Indexing beside the bare engine", ["", "tokens", "seconds", "tokens a second"])
    with tempfile.TemporaryDirectory(prefix="quiver-throughput-") as temporary:
        store, first = _indexed(Path(temporary) / "first", options, embedder, report)
        texts = _texts(store)
        bare = _embedded(texts, embedder, report)
        _, second = _indexed(Path(temporary) / "second", options, embedder, report)
    report.facts["passages"] = f"{len(texts):,}"
    report.facts["indexed / embedded"] = f"{(first + second) / 2 / bare:.3f}"
    report.show()
    write_json(options.json, [report])
    return 0


def _indexed(
    folder: Path, options: argparse.Namespace, embedder: Embedder, report: Report
) -> tuple[Store, float]:
    """A store made from nothing until it is ready to be searched, and its tokens a second."""
    begun = time.perf_counter()
    home = IndexHome(folder=folder.resolve() / HOME_NAME).with_roots([options.files])
    store, done = index_tree(home, embedder, options.embedder, options.max_tokens)
    return store, _add(report, f"indexed, {folder.name}", done.usage.tokens_in, begun)


def _embedded(texts: list[str], embedder: Embedder, report: Report) -> float:
    """Tokens a second of the texts alone."""
    begun = time.perf_counter()
    usage = embedder.encode_document(texts, show_progress_bar=False).usage
    return _add(report, "embedded", usage.tokens_in, begun)


def _texts(store: Store) -> list[str]:
    files = (store.read(path) for path in sorted(store.files()))
    return [described(passage) for file in files if file for passage in file.passages]


def _add(report: Report, name: str, tokens: int, begun: float) -> float:
    seconds = time.perf_counter() - begun
    speed = tokens / seconds
    report.add(
        [name, f"{tokens:,}", f"{seconds:.1f}", f"{speed:,.0f}"],
        {"turn": name, "tokens": tokens, "seconds": seconds},
    )
    return speed


def _parse() -> argparse.Namespace:
    parser = new_parser(
        "search_throughput",
        "How much of the engine's speed remains when a tree of files is indexed.",
        "python -m benchmarks.search_throughput --files docs",
    )
    add_tree_options(parser)
    return parser.parse_args()


if __name__ == "__main__":
    run(main)

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
from quiver import Embedder
from quiver.search.described import described
from quiver.search.file_corpus import FileCorpus
from quiver.search.home import HOME_NAME, IndexHome
from quiver.search.index import update_index
from quiver.search.store import IndexInfo, Store


def main() -> int:
    """Index, embed, index."""
    options = _parse()
    embedder = Embedder(options.embedder, on_too_long="truncate")
    embedder.encode_document(["warm up"], show_progress_bar=False)
    report = Report("Indexing beside the bare engine", ["", "tokens", "seconds", "tokens a second"])
    speeds = []
    with tempfile.TemporaryDirectory(prefix="quiver-throughput-") as temporary:
        texts: list[str] = []
        for turn in ("first", "second"):
            store, tokens, seconds = _index(
                Path(temporary) / turn, options.files, embedder, options.max_tokens
            )
            speeds.append(_add(report, f"indexed, {turn}", tokens, seconds))
            if not texts:
                texts = _texts(store)
                begun = time.perf_counter()
                usage = embedder.encode_document(texts, show_progress_bar=False).usage
                bare = _add(report, "embedded", usage.tokens_in, time.perf_counter() - begun)
    report.facts["passages"] = f"{len(texts):,}"
    report.facts["indexed / embedded"] = f"{sum(speeds) / len(speeds) / bare:.3f}"
    report.show()
    write_json(options.json, [report])
    return 0


def _index(folder: Path, files: Path, embedder: Embedder, max_tokens: int) -> tuple[Store, int, float]:
    """The store, its tokens, and the seconds from nothing to an index that is ready to be searched."""
    begun = time.perf_counter()
    home = IndexHome(folder=folder.resolve() / HOME_NAME).with_roots([files])
    info = IndexInfo(model=None, fingerprint=embedder.fingerprint, max_tokens=max_tokens)
    store = home.store.create(info)
    done = update_index(store, FileCorpus(home, home.roots), embedder, show_progress_bar=False)
    return store, done.usage.tokens_in, time.perf_counter() - begun


def _texts(store: Store) -> list[str]:
    files = (store.read(path) for path in sorted(store.files()))
    return [described(passage) for file in files if file for passage in file.passages]


def _add(report: Report, name: str, tokens: int, seconds: float) -> float:
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
    parser.add_argument("--files", type=Path, required=True, metavar="DIR", help="the tree to index")
    parser.add_argument("--embedder", metavar="NAME", help="hub name or folder (default: built in)")
    parser.add_argument(
        "--max-tokens", type=int, default=300, metavar="N", help="longest passage (default: 300)"
    )
    return parser.parse_args()


if __name__ == "__main__":
    run(main)

"""File tree: a folder of files indexed as ``quiver index`` does, and the options that say how."""

import argparse
from pathlib import Path

from quiver import Embedder
from quiver.errors import NoIndex
from quiver.search.file_corpus import FileCorpus
from quiver.search.home import IndexHome
from quiver.search.index import IndexReport, update_index
from quiver.search.store import IndexInfo, Store


def add_tree_options(parser: argparse.ArgumentParser) -> None:
    """What is indexed, with which embedder, in passages of which length."""
    parser.add_argument("--files", type=Path, required=True, metavar="DIR", help="the tree to index")
    parser.add_argument("--embedder", metavar="NAME", help="hub name or folder (default: built in)")
    parser.add_argument(
        "--max-tokens", type=int, default=300, metavar="N", help="longest passage (default: 300)"
    )


def index_tree(
    home: IndexHome, embedder: Embedder, model: str | None, max_tokens: int
) -> tuple[Store, IndexReport]:
    """The home's index, made if there is none, with its files as they are now."""
    try:
        store = home.store.open()
    except NoIndex:
        info = IndexInfo(model=model, fingerprint=embedder.fingerprint, max_tokens=max_tokens)
        store = home.store.create(info)
    return store, update_index(store, FileCorpus(home, home.roots), embedder, show_progress_bar=False)

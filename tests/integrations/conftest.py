"""A small index of real files, and models that tell prompts apart."""

from pathlib import Path

import pytest

from quiver import Embedder, Searcher
from quiver.search.file_corpus import FileCorpus
from quiver.search.home import IndexHome
from quiver.search.index import update_index
from quiver.search.store import IndexInfo

FILES = {
    "docs/git.md": "# Git\n\n## Undo\n\ngit reset --soft HEAD~1 undoes the last commit, keeps its changes.\n",
    "docs/sea.md": "# Sea\n\nShips sail the sea from one harbour to the next.\n",
    "notes.jsonl": '{"text": "Bread rises when yeast makes gas.", "title": "Bread", "year": 2024}\n',
}


@pytest.fixture(scope="session")
def searcher(tmp_path_factory: pytest.TempPathFactory) -> Searcher:
    """Over an index made with the built-in model."""
    base = tmp_path_factory.mktemp("files")
    for name, text in FILES.items():
        path = base / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    embedder = Embedder()
    home = IndexHome(folder=base / ".quiver").with_roots([base])
    info = IndexInfo(model=None, fingerprint=embedder.fingerprint, max_tokens=100)
    store = home.store.create(info)
    update_index(store, FileCorpus(home, home.roots), embedder, show_progress_bar=False)
    return Searcher(store, embedder=embedder)


@pytest.fixture
def embedding_model(embedder_folder: Path) -> str:
    return str(embedder_folder)


@pytest.fixture
def reranking_model(reranker_folder: Path) -> str:
    return str(reranker_folder)

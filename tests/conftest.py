"""Models that the tests share: tiny random ones, written once a session."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from quiver import Embedder, Reranker
from quiver.text.tokenizer import TextTokenizer
from tests.checkpoints import make_tokenizer, write_checkpoint

settings.register_profile("no stopwatch", deadline=None)
settings.load_profile("no stopwatch")


@pytest.fixture(scope="session", autouse=True)
def cache_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache that is not the user's."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield folder


@pytest.fixture(scope="session")
def embedder_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("models") / "tiny-embedding")


@pytest.fixture(scope="session")
def reranker_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("models") / "tiny-reranker", "reranker")


@pytest.fixture(scope="session")
def embedder(embedder_folder: Path) -> Embedder:
    return Embedder(embedder_folder, device="cpu", dtype="float32")


@pytest.fixture(scope="session")
def reranker(reranker_folder: Path) -> Reranker:
    return Reranker(reranker_folder, device="cpu", dtype="float32")


@pytest.fixture(scope="session")
def definition() -> bytes:
    """A ``tokenizer.json`` that, like the published embedders', appends the end token by itself."""
    return make_tokenizer(appends_end=True).to_str().encode()


@pytest.fixture(scope="session")
def tokenizer(definition: bytes) -> TextTokenizer:
    return TextTokenizer(definition)

"""Models are opened once, and a missing package is named with its extra."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from quiver.integrations.settings import EmbedderSettings, open_embedder

ADAPTERS = [
    ("langchain", "langchain_core", "langchain-core", "langchain"),
    ("llama_index", "llama_index", "llama-index-core", "llama-index"),
    ("lancedb", "lancedb", "lancedb", "search"),
]


def test_adapters_of_one_model_share_it() -> None:
    short = open_embedder(None, EmbedderSettings(truncate_dim=16, instruction="Find it"))
    assert short is open_embedder(None, EmbedderSettings())
    assert short is not open_embedder(None, EmbedderSettings(max_length=100))


def test_threads_that_ask_at_once_load_it_once() -> None:
    settings = EmbedderSettings(max_length=123)
    with ThreadPoolExecutor(4) as pool:
        opened = list(pool.map(lambda _: open_embedder(None, settings), range(4)))
    assert all(each is opened[0] for each in opened)


@pytest.mark.parametrize(("adapter", "module", "package", "extra"), ADAPTERS)
def test_a_missing_package_is_named_with_its_extra(
    adapter: str, module: str, package: str, extra: str
) -> None:
    code = f"import sys; sys.modules[{module!r}] = None; import quiver.integrations.{adapter}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert f"InputError: this adapter needs {package}: pip install 'quiver-embed[{extra}]'" in done.stderr

"""One server with the built-in models for all tests that do not need settings of their own."""

from collections.abc import Iterator

import pytest

from quiver import Embedder, Reranker
from quiver.server.models import OpenedModels
from tests.server.running import Running, running

LIMIT = 512
"""Tokens of a sequence."""

TEXTS = ["What is the capital of China?", "Explain gravity", "北京是中国的首都。", ""]


@pytest.fixture(scope="session")
def opened() -> OpenedModels:
    """With a limit that a test can exceed within its time."""
    return OpenedModels(embedder=Embedder(max_length=LIMIT), reranker=Reranker(max_length=LIMIT))


@pytest.fixture(scope="session")
def server(opened: OpenedModels) -> Iterator[Running]:
    with running(opened) as started:
        yield started

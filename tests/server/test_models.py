from pathlib import Path

import pytest

from quiver import Embedder, Reranker
from quiver.server.batching.limits import QueueLimits
from quiver.server.errors import Refusal
from quiver.server.models import OpenedModels, ServedModels, serve_models, served_name


@pytest.fixture(scope="module")
def models(embedder: Embedder, reranker: Reranker) -> ServedModels:
    opened = OpenedModels(
        embedder=embedder, embedder_name="Some/Tiny-Embedding", reranker=reranker, reranker_name="tiny"
    )
    return serve_models(opened, QueueLimits(), aliases=["text-embedding-3-small"])


@pytest.mark.parametrize(
    ("asked", "suffix"),
    [
        (None, None),
        ("", None),
        ("Some/Tiny-Embedding", None),
        ("tiny-embedding", None),
        ("Tiny-Embedding:latest", None),
        ("Tiny-Embedding:query", "query"),
        ("some/tiny-embedding:STS", "STS"),
        ("text-embedding-3-small:query", "query"),
    ],
)
def test_names_that_mean_the_embedder(models: ServedModels, asked: str | None, suffix: str | None) -> None:
    assert models.embedder_suffix(asked) == suffix


@pytest.mark.parametrize("asked", ["other", "other/Tiny-Embedding", "other:query", "Tiny-Embedding:", "tiny"])
def test_names_that_do_not(models: ServedModels, asked: str) -> None:
    with pytest.raises(Refusal, match="not served here; 'Some/Tiny-Embedding' is") as caught:
        models.embedder_suffix(asked)
    assert caught.value.kind == "unknown_model"


def test_rerankers_have_no_suffix(models: ServedModels) -> None:
    models.check_reranker("tiny")
    models.check_reranker("text-embedding-3-small")
    with pytest.raises(Refusal, match="'tiny:query' is not served"):
        models.check_reranker("tiny:query")


def test_what_a_server_does_not_have() -> None:
    nothing = serve_models(OpenedModels(), QueueLimits())
    with pytest.raises(Refusal, match="--embedder"):
        nothing.need_embedder()
    with pytest.raises(Refusal, match="--reranker"):
        nothing.need_reranker()


def test_a_folder_is_served_by_its_own_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my-model").mkdir()
    assert served_name(str(tmp_path / "my-model")) == "my-model"
    monkeypatch.chdir(tmp_path / "my-model")
    assert served_name(".") == "my-model"
    assert served_name("Qwen/Qwen3-Embedding-0.6B") == "Qwen/Qwen3-Embedding-0.6B"

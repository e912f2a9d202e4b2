import json
import math

import pytest

from quiver.models import catalog
from quiver.models.checkpoint import open_checkpoint


def test_the_six_published_models_are_there() -> None:
    shapes = {(e.name, e.layers, e.hidden_size, e.embedding_dim) for e in catalog.CATALOG if not e.builtin}
    assert shapes == {
        ("Qwen/Qwen3-Embedding-0.6B", 28, 1024, 1024),
        ("Qwen/Qwen3-Embedding-4B", 36, 2560, 2560),
        ("Qwen/Qwen3-Embedding-8B", 36, 4096, 4096),
        ("Qwen/Qwen3-Reranker-0.6B", 28, 1024, None),
        ("Qwen/Qwen3-Reranker-4B", 36, 2560, None),
        ("Qwen/Qwen3-Reranker-8B", 36, 4096, None),
    }
    published = [e for e in catalog.CATALOG if not e.builtin]
    assert all(
        e.context == 32768 and e.instruction_aware and e.mrl == (e.kind == "embedder") for e in published
    )


@pytest.mark.parametrize("name", ["qwen3-embedding-0.6b", "QWEN/Qwen3-Embedding-0.6B"])
def test_names_are_found_in_any_case_and_without_owner(name: str) -> None:
    found = catalog.find(name)
    assert found is not None
    assert found.name == "Qwen/Qwen3-Embedding-0.6B"


def test_unknown_names_are_not_found() -> None:
    assert catalog.find("bert") is None


@pytest.mark.parametrize("entry", [e for e in catalog.CATALOG if e.builtin], ids=lambda e: str(e.name))
def test_built_in_entries_are_what_ships(entry: catalog.CatalogEntry) -> None:
    checkpoint = open_checkpoint(entry.name)
    config = checkpoint.config
    assert (checkpoint.kind, config.layers, config.hidden_size) == (
        entry.kind,
        entry.layers,
        entry.hidden_size,
    )
    assert config.max_length == entry.context
    count = sum(math.prod(e.shape) for e in checkpoint.tensors.values())
    assert f"{count / 1e6:.0f}M" == entry.parameters


def test_built_in_models_fit_in_sixty_megabytes() -> None:
    files = [file for file in catalog.BUILTIN_FOLDER.rglob("*") if file.is_file()]
    assert 0 < sum(file.stat().st_size for file in files) <= 60_000_000
    assert json.loads((catalog.BUILTIN_FOLDER / catalog.BUILTIN_EMBEDDER / "config.json").read_bytes())

from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from quiver import Embedder, Reranker
from quiver.models import catalog
from quiver.server.errors import SelfTestError
from quiver.server.models import OpenedModels
from quiver.server.self_test import self_test


def test_sound_models_pass(opened: OpenedModels, embedder: Embedder, reranker: Reranker) -> None:
    """Also those whose golden scores nobody knows."""
    self_test(opened)
    self_test(OpenedModels(embedder=embedder, reranker=reranker))
    self_test(OpenedModels())


@pytest.mark.parametrize("name", [catalog.BUILTIN_EMBEDDER, catalog.BUILTIN_RERANKER])
def test_a_model_with_other_numbers_is_not_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """One damaged matrix: the vectors still look like vectors."""
    folder = tmp_path / name
    folder.mkdir()
    for file in (catalog.BUILTIN_FOLDER / name).glob("*.json"):
        (folder / file.name).write_bytes(file.read_bytes())
    tensors = load_file(catalog.BUILTIN_FOLDER / name / "model.safetensors")
    damaged = next(key for key in tensors if key.endswith("embed_tokens.weight"))
    tensors[damaged] = tensors[damaged].float().roll(1, 0).to(tensors[damaged].dtype)
    save_file(tensors, folder / "model.safetensors")
    monkeypatch.setattr(catalog, "BUILTIN_FOLDER", tmp_path)
    opened = (
        OpenedModels(embedder=Embedder(folder))
        if name == catalog.BUILTIN_EMBEDDER
        else OpenedModels(reranker=Reranker(folder))
    )
    with pytest.raises(SelfTestError, match=rf"{name} is not served.*golden scores: .* differ by"):
        self_test(opened)

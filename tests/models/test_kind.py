"""Published embedders and rerankers name the same architecture; other evidence tells them apart."""

import json
import shutil
from pathlib import Path

import pytest

from quiver.models.checkpoint import open_checkpoint
from tests.checkpoints import edit_json, write_checkpoint


@pytest.fixture(scope="module")
def causal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A causal language model that nothing calls an embedder or a reranker."""
    return write_checkpoint(tmp_path_factory.mktemp("kinds") / "model", "plain", causal=True)


def copy(source: Path, target: Path) -> Path:
    shutil.copytree(source, target)
    return target


def test_a_bare_language_model_is_a_reranker(causal: Path) -> None:
    assert open_checkpoint(causal).kind == "reranker"


def test_sentence_transformers_files_decide_before_the_name(causal: Path, tmp_path: Path) -> None:
    folder = copy(causal, tmp_path / "my-reranker")
    (folder / "modules.json").write_text(json.dumps([{"type": "sentence_transformers.models.Pooling"}]))
    assert open_checkpoint(folder).kind == "embedder"
    (folder / "modules.json").write_text(json.dumps([{"type": "cross_encoder.modules.LogitScore"}]))
    assert open_checkpoint(folder).kind == "reranker"


@pytest.mark.parametrize(
    ("name", "kind"), [("Qwen3-Embedding-4B", "embedder"), ("Qwen3-Reranker-4B", "reranker")]
)
def test_the_name_decides_where_the_files_are_silent(
    causal: Path, tmp_path: Path, name: str, kind: str
) -> None:
    assert open_checkpoint(copy(causal, tmp_path / name)).kind == kind


def test_only_the_last_part_of_a_path_is_a_name(causal: Path, tmp_path: Path) -> None:
    assert open_checkpoint(copy(causal, tmp_path / "embedders" / "model")).kind == "reranker"


def test_a_tokenizer_that_closes_texts_is_an_embedders(causal: Path, tmp_path: Path) -> None:
    folder = copy(causal, tmp_path / "model")
    closing = {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<|endoftext|>"}}]}
    edit_json(folder / "tokenizer.json", post_processor=closing)
    assert open_checkpoint(folder).kind == "embedder"

import shutil
from pathlib import Path

import pytest

from quiver import doctor
from quiver.doctor import Diagnosis, examine
from quiver.errors import CheckpointError
from quiver.models import catalog
from tests.checkpoints import break_embedding_table, edit_json, write_checkpoint


def findings(diagnosis: Diagnosis) -> dict[str, bool | None]:
    return {check.name: check.passed for check in diagnosis.checks}


def test_a_sound_embedder_is_healthy(embedder_folder: Path) -> None:
    diagnosis = examine(embedder_folder, device="cpu", dtype="float32")
    assert diagnosis.healthy
    assert findings(diagnosis) == {
        "files": True,
        "engine": True,
        "end token": True,
        "prompt": True,
        "finite": True,
        "batch invariance": True,
        "golden scores": None,
    }


def test_a_sound_reranker_is_healthy(reranker_folder: Path) -> None:
    diagnosis = examine(reranker_folder, device="cpu", dtype="float32")
    assert diagnosis.healthy
    assert diagnosis.kind == "reranker"
    assert findings(diagnosis)["template"] is True


@pytest.mark.parametrize("entry", [e for e in catalog.CATALOG if e.builtin], ids=lambda e: str(e.name))
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_built_in_models_give_their_golden_scores(entry: catalog.CatalogEntry, dtype: str) -> None:
    diagnosis = examine(entry.name, device="cpu", dtype=dtype)
    assert diagnosis.healthy
    assert findings(diagnosis)["golden scores"] is True


def test_other_weights_under_a_published_name_are_found_out(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "Qwen3-Embedding-0.6B")
    diagnosis = examine(folder, device="cpu")
    assert findings(diagnosis)["golden scores"] is False
    assert not diagnosis.healthy


def test_numbers_that_are_not_finite_are_a_finding(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "broken-embedding")
    break_embedding_table(folder)
    assert findings(examine(folder, device="cpu"))["finite"] is False
    folder = write_checkpoint(tmp_path / "broken-reranker", "reranker")
    break_embedding_table(folder)
    assert findings(examine(folder, device="cpu"))["finite"] is False


def test_a_prompt_of_its_own_is_shown(embedder_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "prompted-embedding"
    shutil.copytree(embedder_folder, folder)
    edit_json(folder / "config_sentence_transformers.json", prompts={"query": "q: "})
    prompt = next(check for check in examine(folder, device="cpu").checks if check.name == "prompt")
    assert "'q: '" in prompt.detail


def test_vectors_that_change_with_their_company_fail(
    embedder_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "INVARIANCE_TOLERANCE", {"float32": -1.0})
    assert findings(examine(embedder_folder, device="cpu", dtype="float32"))["batch invariance"] is False


def test_what_cannot_be_opened_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError):
        examine(tmp_path)

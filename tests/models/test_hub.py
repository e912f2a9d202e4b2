"""The hub is never reached in tests: what huggingface_hub would say is put in its place."""

from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub import errors

from quiver.errors import CheckpointError, HubError
from quiver.models import catalog, hub


def test_a_folder_is_taken_as_it_is(tmp_path: Path) -> None:
    assert hub.locate(tmp_path) == tmp_path
    assert hub.locate(str(tmp_path)) == tmp_path


def test_a_home_relative_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "model").mkdir()
    assert hub.locate("~/model") == tmp_path / "model"


@pytest.mark.parametrize("name", ["no/such/folder", "absent", "a b/c", "", "../x", "Qwen/", "/absent"])
def test_what_is_neither_folder_nor_name(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    if name == "":
        assert hub.locate(name) == Path()
        return
    with pytest.raises(CheckpointError, match="neither a folder nor a model name"):
        hub.locate(name)


def test_a_file_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(CheckpointError, match="is a file; give the folder"):
        hub.locate(tmp_path / "model.safetensors")


def test_built_in_names_need_no_network() -> None:
    assert hub.locate("quiver-embedding-mini") == catalog.BUILTIN_FOLDER / "quiver-embedding-mini"


def test_short_names_revision_and_token_reach_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {}

    def fetch(name: str, **options: Any) -> str:
        asked.update(options, name=name)
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetch)
    assert hub.locate("qwen3-embedding-0.6b", revision="v1", token="secret") == tmp_path
    assert (asked["name"], asked["revision"], asked["token"]) == ("Qwen/Qwen3-Embedding-0.6B", "v1", "secret")
    assert not any(pattern.endswith((".bin", ".py", ".pt")) for pattern in asked["allow_patterns"])


def test_without_network_the_message_says_what_to_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(HubError, match="hf download Qwen/Qwen3-Reranker-8B --revision v2 --local-dir"):
        hub.locate("Qwen/Qwen3-Reranker-8B", revision="v2")


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        (errors.RepositoryNotFoundError, "has no model"),
        (errors.GatedRepoError, "must be asked for"),
        (errors.RevisionNotFoundError, "no revision"),
        (ConnectionError, "cannot be reached"),
        (TimeoutError, "cannot be reached"),
    ],
)
def test_refusals_of_the_hub(failure: type[Exception], message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str, **options: Any) -> str:
        raise failure.__new__(failure)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)
    with pytest.raises(HubError, match=message):
        hub.locate("some/model")

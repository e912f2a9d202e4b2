from pathlib import Path
from typing import Any

import pytest

import quiver.doctor
import quiver.remote.examine
from quiver.doctor import Check, Diagnosis
from quiver.engine.remote.connection import Connection
from tests.cli.conftest import Shell, finished

CHECKS = [
    Check("files", True, "310 tensors"),
    Check("golden scores", None, "none known for [this] model"),
]
FAILED = Check("finite", False, "row 3 is \x1b[31mNaN; " + "a long explanation " * 10)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the doctor was asked; a model named "ill" fails a check."""
    calls: list[dict[str, Any]] = []

    def examine(model: str | None, **options: Any) -> Diagnosis:
        calls.append({"model": model, **options})
        checks = [*CHECKS, FAILED] if model == "ill" else CHECKS
        return Diagnosis(model or "quiver-embedding-mini", "embedder", "quiver1:print", checks)

    monkeypatch.setattr(quiver.doctor, "examine", examine)
    return calls


def test_a_healthy_model(shell: Shell, asked: list[dict[str, Any]]) -> None:
    run = shell("doctor", "--device", "cpu", "--dtype", "float32")
    assert (run.code, run.err) == (0, "")
    assert run.out.startswith("quiver-embedding-mini (embedder)\nquiver1:print\n\n")
    assert "files          ok" in run.out
    assert "golden scores  not applicable  none known for [this] model" in run.out
    assert asked == [{"model": None, "device": "cpu", "dtype": "float32"}]


def test_an_ill_model_exits_with_1_and_says_all(shell: Shell, asked: list[dict[str, Any]]) -> None:
    run = shell("doctor", "ill")
    assert run.code == 1
    assert "finite         FAILED" in run.out
    assert run.out.count("explanation") == 10
    assert "\x1b" not in run.out


def test_json_lines(shell: Shell, asked: list[dict[str, Any]]) -> None:
    run = shell("doctor", "ill", "--format", "jsonl")
    assert run.code == 1
    assert [(record["name"], record["passed"]) for record in run.records] == [
        ("files", True),
        ("golden scores", None),
        ("finite", False),
    ]
    assert {record["model"] for record in run.records} == {"ill"}
    assert {record["fingerprint"] for record in run.records} == {"quiver1:print"}


def test_a_real_model(embedder_folder: Path, tmp_path: Path) -> None:
    run = finished("doctor", embedder_folder, "--device", "cpu", module="quiver")
    assert run.code == 0, run.err
    assert "end token" in run.out
    run = finished("doctor", tmp_path, module="quiver")
    assert run.code == 1
    assert run.err.startswith("error: ")


def test_the_built_in_model_is_healthy() -> None:
    run = finished("doctor", module="quiver")
    assert run.code == 0, run.out + run.err


def test_a_server_is_examined_instead(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, Any]] = []

    def examine_server(connection: Connection, **options: Any) -> list[Diagnosis]:
        seen.append((connection.url, options))
        return [Diagnosis(kind, kind, connection.url, CHECKS) for kind in ("embedder", "reranker")]

    monkeypatch.setattr(quiver.remote.examine, "examine_server", examine_server)
    run = shell("doctor", "my/model", "--url", "http://there/v1", "--served-as", "mine")
    assert seen == [("http://there", {"served_as": "mine", "reference": "my/model"})]
    assert run.out.count("http://there") == 2


def test_a_name_on_a_server_needs_the_server(shell: Shell) -> None:
    run = shell("doctor", "--served-as", "mine")
    assert run.code == 2
    assert "give its --url, too" in run.err

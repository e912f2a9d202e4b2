from pathlib import Path
from typing import Any

import pytest

import quiver.doctor
from quiver.doctor import Check, Diagnosis
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

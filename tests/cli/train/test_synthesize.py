import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from quiver.train.rows import read_rows
from tests.cli.conftest import Shell, process
from tests.train.endpoint import Endpoint, Question, Reply, completion, failure, good, serve

DOCUMENTS = [f"Town {number} lies on a river." for number in range(12)]
KEY = "sk-very-secret"


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with serve() as served:
        yield served


@pytest.fixture
def arguments(endpoint: Endpoint, tmp_path: Path) -> list[object]:
    source = tmp_path / "documents.txt"
    source.write_text("\n".join(DOCUMENTS))
    named = ["--chat-model", "m", "--base-url", endpoint.url, "--threshold", -1]
    return ["train", "synthesize", "-i", source, *named, "-o", tmp_path / "pairs.jsonl"]


def test_documents_become_rows(
    shell: Shell, endpoint: Endpoint, arguments: list[object], tmp_path: Path
) -> None:
    (tmp_path / "readers.txt").write_text("a cook\n")
    options = ["--personas", tmp_path / "readers.txt", "--language", "Welsh", "--instruction", "Find it"]
    run = shell(*arguments, *options, "--task", "rivers", "--concurrency", 2)
    assert (run.code, run.out) == (0, ""), run.err
    rows = read_rows([tmp_path / "pairs.jsonl"])
    assert [row.positives[0] for row in rows] == DOCUMENTS
    assert {(row.instruction, row.task) for row in rows} == {("Find it", "rivers")}
    assert {row.other["synthesis"]["reader"] for row in rows} == {"a cook"}
    assert {row.other["synthesis"]["language"] for row in rows} == {"Welsh"}
    answers = tmp_path / "pairs.jsonl.answers.jsonl"
    assert run.err == f"12 rows; 0 below the threshold; 24 answers added to the 0 in {answers}\n"
    assert KEY not in answers.read_text()


def test_the_rows_train_nothing_before_they_are_near(
    shell: Shell, endpoint: Endpoint, arguments: list[object]
) -> None:
    run = shell(*arguments, "--threshold", 1)
    assert run.code == 0
    assert run.err.startswith("0 rows; 12 below the threshold; 24 answers added")


def test_what_went_wrong_is_counted(shell: Shell, endpoint: Endpoint, arguments: list[object]) -> None:
    def answer(question: Question) -> Reply:
        if question.passage == DOCUMENTS[0]:
            return failure(400, "no \x1b[2J")
        return completion("Sorry.") if question.passage == DOCUMENTS[1] else good(question)

    endpoint.answer = answer
    run = shell(*arguments)
    assert run.code == 0
    assert "10 rows" in run.err
    assert "; 1 unusable: no JSON object; 1 unanswered (Error code: 400" in run.err
    assert "\x1b" not in run.err


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_killed_run_goes_on_without_paying_twice(
    shell: Shell, endpoint: Endpoint, arguments: list[object], tmp_path: Path, sent: signal.Signals
) -> None:
    def stop_here(question: Question) -> Reply:
        if len(endpoint.questions) > 9:
            time.sleep(3)
        return good(question)

    endpoint.answer = stop_here
    answers = tmp_path / "pairs.jsonl.answers.jsonl"
    with process(*arguments, "--concurrency", 1, module="quiver") as running:
        deadline = time.monotonic() + 60
        while not answers.exists() or answers.read_bytes().count(b"\n") < 9:
            assert time.monotonic() < deadline
            assert running.poll() is None
            time.sleep(0.02)
        running.send_signal(sent)
        _, stderr = running.communicate(timeout=60)
    if sent is not signal.SIGKILL:
        assert (running.returncode, stderr) == (128 + sent, b"")
    assert not (tmp_path / "pairs.jsonl").exists()
    with answers.open("ab") as stream:
        stream.write(b'{"request": "half a li')

    endpoint.answer = good
    lost = len(endpoint.questions) - 9
    run = shell(*arguments)
    assert run.code == 0, run.err
    assert "12 rows; 0 below the threshold; 15 answers added to the 9" in run.err
    assert len(endpoint.questions) == 24 + lost
    assert lost <= 1
    assert len(read_rows([tmp_path / "pairs.jsonl"])) == 12


def test_mistakes_are_one_line(
    shell: Shell, endpoint: Endpoint, arguments: list[object], tmp_path: Path
) -> None:
    without_output = arguments[: arguments.index("-o")]
    assert "--answers" in shell(*without_output).err
    assert shell("train", "synthesize", "text").code == 2
    endpoint.answer = lambda question: failure(401, f"bad key {question.key}")
    run = shell(*arguments)
    assert run.code == 1
    assert run.err.startswith("error: the chat endpoint refuses: ")
    assert KEY not in run.err
    (tmp_path / "notes.jsonl").write_text(json.dumps({"note": "mine"}) + "\n")
    assert "something else than answers" in shell(*arguments, "--answers", tmp_path / "notes.jsonl").err
    assert not (tmp_path / "pairs.jsonl").exists()

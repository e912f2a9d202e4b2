import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import quiver
from quiver.errors import QuiverError
from tests.cli.conftest import Shell, finished, process

COMMANDS = ["embed", "rerank", "index", "search", "reindex", "serve", "evaluate", "models", "doctor", "train"]
TRAIN_COMMANDS = ["mine", "synthesize", "merge"]
HEAVY = (
    "torch",
    "numpy",
    "pyarrow",
    "transformers",
    "tokenizers",
    "rich",
    "huggingface_hub",
    "openai",
    "lancedb",
    "sqlglot",
    "fastapi",
    "uvicorn",
)
SLOWLY = {"FAKE_SECONDS_A_BLOCK": "0.05"}


def test_version(shell: Shell) -> None:
    run = shell("--version")
    assert (run.code, run.out) == (0, f"quiver {quiver.__version__}\n")


def test_help_names_every_command(shell: Shell) -> None:
    for flag in ("--help", "-h"):
        run = shell(flag)
        assert run.code == 0
        assert all(f"\n  {command} " in run.out for command in COMMANDS)


@pytest.mark.parametrize(
    "command", [[], *([command] for command in COMMANDS), *(["train", command] for command in TRAIN_COMMANDS)]
)
def test_every_help_has_examples(shell: Shell, command: list[str]) -> None:
    run = shell(*command, "--help")
    assert run.code == 0
    examples = run.out.partition("Examples:\n")[2].splitlines()
    assert len(examples) >= 2
    assert all(line.startswith("    ") for line in examples if line)


def test_no_command_and_an_unknown_command(shell: Shell) -> None:
    assert shell().code == 2
    run = shell("embedd")
    assert run.code == 2
    assert "No such command" in run.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["embed", "--help"],
        ["rerank", "--help"],
        ["evaluate", "--help"],
        ["train", "mine", "--help"],
        ["index", "--help"],
        ["search", "--help"],
        ["serve", "--help"],
        ["--version"],
    ],
)
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys\nfrom quiver.cli.main import main\n"
        f"sys.argv = ['quiver', *{arguments!r}]\n"
        "try:\n    main()\nfinally:\n"
        f"    print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def test_a_bug_shows_its_traceback(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("quiver.cli.target.open_target", fail)
    with pytest.raises(ZeroDivisionError):
        shell("models")


def test_an_error_of_ours_is_one_line(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: object) -> None:
        raise QuiverError("no such \x1bthing\nbut another")

    monkeypatch.setattr("quiver.cli.target.open_target", fail)
    run = shell("models")
    assert (run.code, run.out, run.err) == (1, "", "error: no such \ufffdthing\nbut another\n")


def lines_on(tmp_path: Path, count: int = 5000) -> Path:
    path = tmp_path / "lines.txt"
    path.write_text("".join(f"line {number}\n" for number in range(count)))
    return path


@pytest.mark.parametrize("command", [["embed"], ["embed", "--format", "parquet"], ["rerank", "line"]])
def test_a_reader_that_goes_away_ends_us_silently(tmp_path: Path, command: list[str]) -> None:
    with process(*command, "-i", lines_on(tmp_path)) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.read(1)
        running.stdout.close()
        errors = running.stderr.read()
        assert running.wait(60) == 141
    assert errors == b""


@pytest.mark.parametrize("command", [["--help"], ["models"]])
def test_help_and_facts_into_a_closed_pipe_are_silent(command: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    run = finished(*command, stdout=writer)
    os.close(writer)
    assert run.err == ""
    assert run.code in (1, 141)


def partial_files(folder: Path) -> list[Path]:
    return list(folder.glob(".quiver-*"))


@pytest.mark.parametrize(
    ("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["Ctrl-C", "terminate"]
)
@pytest.mark.parametrize("name", ["a.jsonl", "a.npy", "a.parquet"])
def test_stopping_removes_the_file_under_way(
    tmp_path: Path, sent: signal.Signals, code: int, name: str
) -> None:
    source = lines_on(tmp_path)
    with process("embed", "-i", source, "-o", tmp_path / name, environment=SLOWLY) as running:
        deadline = time.monotonic() + 60
        while not any(path.stat().st_size for path in partial_files(tmp_path)):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        running.send_signal(sent)
        stdout, stderr = running.communicate(timeout=60)
    assert (running.returncode, stdout, stderr) == (code, b"", b"")
    assert [path.name for path in tmp_path.iterdir()] == ["lines.txt"]


def test_ctrl_c_while_waiting_for_standard_input() -> None:
    with process("embed", stdin=subprocess.PIPE) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        running.stdin.write(b"one block\nof two texts\n")
        running.stdin.flush()
        assert running.stdout.readline().startswith(b'{"index": 0')
        running.send_signal(signal.SIGINT)
        assert running.wait(60) == 130
        assert running.stderr is not None
        assert running.stderr.read() == b""


def on_a_terminal(*arguments: str) -> str:
    """What a terminal would get to see."""
    ours, theirs = pty.openpty()
    with process(*arguments, stdin=theirs, stdout=theirs, environment={"COLUMNS": "80"}) as running:
        os.close(theirs)
        assert running.wait(60) == 0
        seen = os.read(ours, 100_000).decode()
    os.close(ours)
    return seen


def test_a_terminal_gets_tables_that_documents_cannot_steer() -> None:
    hostile = "\x1b]0;title\x07\x1b[2J[bold]apples"
    for command in (["embed"], ["rerank", "apples"]):
        seen = on_a_terminal(*command, hostile)
        assert "\ufffd]0;title\ufffd\ufffd[2J[bold]apples" in seen
        assert "\x1b[2J" not in seen
        assert "\x07" not in seen


def test_output_that_the_terminal_cannot_express() -> None:
    run = finished("rerank", "x", "北京", "--format", "table", environment={"PYTHONIOENCODING": "latin-1"})
    assert run.code == 0
    assert b"??" in run.stdout
    run = finished("rerank", "x", "北京", environment={"PYTHONIOENCODING": "latin-1"})
    assert run.records[0]["text"] == "北京"


@pytest.mark.parametrize("arguments", [["embed", "x"], ["models"]])
def test_a_closed_standard_output(arguments: list[str]) -> None:
    command = " ".join([sys.executable, "-m", "quiver", *arguments, ">&-"])
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == "error: standard output is closed; give a file with --output\n"

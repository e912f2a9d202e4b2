import io
import os
import sys
from pathlib import Path

import pytest

from quiver.cli.read import InputChoice, InputFormat, is_stdin_given, open_texts
from quiver.errors import InputError


def read(choice: InputChoice) -> list[str]:
    return list(open_texts(choice, lambda message: None))


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> io.BytesIO:
    """What stands on standard input."""
    content = io.BytesIO()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(content))
    return content


def put(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def test_arguments_then_files_in_order(tmp_path: Path) -> None:
    files = [put(tmp_path, "a.txt", b"a1\na2\n"), put(tmp_path, "b.jsonl", b'"b1"\n')]
    assert read(InputChoice(arguments=["x", "y"], files=files)) == ["x", "y", "a1", "a2", "b1"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.txt", b"x\ny\n"),
        ("a.TXT", b"x\ny\n"),
        ("a.jsonl", b'{"text": "x"}\n"y"\n'),
        ("a.ndjson", b'"x"\n"y"\n'),
        ("a.csv", b"id,text\n1,x\n2,y\n"),
        ("a.tsv", b"id\ttext\n1\tx\n2\ty\n"),
    ],
)
def test_the_suffix_says_what_a_file_holds(tmp_path: Path, name: str, content: bytes) -> None:
    assert read(InputChoice(files=[put(tmp_path, name, content)])) == ["x", "y"]


def test_the_format_may_be_said_instead(tmp_path: Path) -> None:
    choice = InputChoice(files=[put(tmp_path, "a.log", b'"x"\n')], format=InputFormat.JSONL)
    assert read(choice) == ["x"]


@pytest.mark.parametrize(
    "choice", [InputChoice(), InputChoice(arguments=["-"]), InputChoice(files=[Path("-")])]
)
def test_standard_input_is_text_lines(pipe: io.BytesIO, choice: InputChoice) -> None:
    pipe.write(b'{"text": "x"}\n\n')
    pipe.seek(0)
    assert read(choice) == ['{"text": "x"}', ""]


def test_standard_input_in_another_format(pipe: io.BytesIO) -> None:
    pipe.write(b"text\nx\n")
    pipe.seek(0)
    assert read(InputChoice(format=InputFormat.CSV)) == ["x"]


def test_standard_input_is_left_alone_when_there_are_texts(pipe: io.BytesIO) -> None:
    pipe.write(b"not read\n")
    pipe.seek(0)
    assert read(InputChoice(arguments=["x"])) == ["x"]
    assert pipe.tell() == 0


def test_standard_input_can_be_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    assert not is_stdin_given()
    with pytest.raises(InputError, match="standard input is closed"):
        read(InputChoice(arguments=["-"]))
    with pytest.raises(InputError, match="no texts"):
        read(InputChoice())


@pytest.mark.parametrize("name", ["a.txt", "a.jsonl", "a.csv", "a.tsv"])
def test_an_empty_file_holds_no_texts(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=rf"{name} holds no texts"):
        read(InputChoice(files=[put(tmp_path, name, b"")]))


def test_a_header_alone_holds_no_texts(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.csv holds no texts"):
        read(InputChoice(files=[put(tmp_path, "a.csv", b"text\n")]))


def test_an_empty_pipe_holds_no_texts(pipe: io.BytesIO) -> None:
    with pytest.raises(InputError, match="standard input holds no texts"):
        read(InputChoice())


@pytest.mark.parametrize("format", [None, InputFormat.TXT])
def test_files_that_cannot_be_read(tmp_path: Path, format: InputFormat | None) -> None:
    for path, message in [
        (tmp_path, "is a folder"),
        (tmp_path / "absent.txt", r"absent\.txt does not exist"),
        (tmp_path / ("long" * 100), "does not exist"),
    ]:
        with pytest.raises(InputError, match=message):
            read(InputChoice(files=[path], format=format))


def test_every_name_is_checked_before_anything_is_read(tmp_path: Path) -> None:
    files = [put(tmp_path, "a.txt", b"x\n"), tmp_path / "absent.txt"]
    with pytest.raises(InputError, match="does not exist"):
        open_texts(InputChoice(arguments=["x"], files=files), lambda message: None)


def test_an_unknown_suffix(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"notes\.docx: .*\.txt.*--input-format"):
        read(InputChoice(files=[put(tmp_path, "notes.docx", b"x")]))


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read everything")
def test_a_forbidden_file(tmp_path: Path) -> None:
    path = put(tmp_path, "a.txt", b"x\n")
    path.chmod(0)
    with pytest.raises(InputError, match="Permission denied"):
        read(InputChoice(files=[path]))


def test_a_device_that_fails() -> None:
    with pytest.raises(InputError, match="/proc/self/mem cannot be read"):
        read(InputChoice(files=[Path("/proc/self/mem")], format=InputFormat.TXT))


def test_standard_input_twice(pipe: io.BytesIO) -> None:
    with pytest.raises(InputError, match="twice"):
        read(InputChoice(arguments=["-"], files=[Path("-")]))


def test_a_field_of_plain_text() -> None:
    with pytest.raises(InputError, match="plain text has no fields"):
        read(InputChoice(arguments=["x"], field="text"))


def test_arguments_that_are_no_text() -> None:
    broken = b"caf\xe9".decode(errors="surrogateescape")
    with pytest.raises(InputError, match="argument 2: character 4 is no text but bytes that are not UTF-8"):
        read(InputChoice(arguments=["x", broken]))

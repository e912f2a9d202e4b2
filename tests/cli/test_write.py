import json
import sys
from pathlib import Path

import numpy as np
import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from quiver.cli.write import OutputFormat, choose_format, exact, json_line

ALL = tuple(OutputFormat)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)


def test_a_pipe_gets_json_lines() -> None:
    assert choose_format(None, None, ALL) is OutputFormat.JSONL


@pytest.mark.usefixtures("terminal")
def test_a_terminal_gets_a_table() -> None:
    assert choose_format(None, None, ALL) is OutputFormat.TABLE
    assert choose_format(OutputFormat.JSONL, None, ALL) is OutputFormat.JSONL


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize("binary", [OutputFormat.NPY, OutputFormat.PARQUET])
def test_a_terminal_gets_no_binary(binary: OutputFormat) -> None:
    with pytest.raises(typer.BadParameter, match="not for a terminal"):
        choose_format(binary, None, ALL)


@pytest.mark.parametrize(
    ("name", "chosen"),
    [("a.npy", OutputFormat.NPY), ("a.PARQUET", OutputFormat.PARQUET), ("a.ndjson", OutputFormat.JSONL)],
)
def test_a_file_gets_what_its_name_says(tmp_path: Path, name: str, chosen: OutputFormat) -> None:
    assert choose_format(None, tmp_path / name, ALL) is chosen


def test_the_format_asked_for_wins(tmp_path: Path) -> None:
    assert choose_format(OutputFormat.NPY, tmp_path / "a.jsonl", ALL) is OutputFormat.NPY


def test_a_device_gets_json_lines() -> None:
    assert choose_format(None, Path("/dev/null"), ALL) is OutputFormat.JSONL


@pytest.mark.parametrize(
    ("asked", "name", "message"),
    [
        (None, "a.txt", r"a\.txt: its name does not say.*\.npy.*--format"),
        (None, "a.npy", "does not write npy but jsonl"),
        (OutputFormat.TABLE, "a.jsonl", "does not write table"),
    ],
)
def test_what_cannot_be_written(tmp_path: Path, asked: OutputFormat | None, name: str, message: str) -> None:
    with pytest.raises(typer.BadParameter, match=message):
        choose_format(asked, tmp_path / name, [OutputFormat.JSONL])


def test_a_table_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(typer.BadParameter, match="for the terminal"):
        choose_format(OutputFormat.TABLE, tmp_path / "a", ALL)


@given(st.dictionaries(st.text(), st.text(st.characters(exclude_categories=["Cs"]))))
def test_json_lines_round_trip_on_one_harmless_line(record: dict[str, str]) -> None:
    line = json_line(record)
    assert json.loads(line) == record
    assert len(line.splitlines()) == 1
    assert not any(ord(character) < 32 or 127 <= ord(character) < 160 for character in line)


def test_json_lines_are_readable() -> None:
    assert json_line({"text": "北京"}) == '{"text": "北京"}'


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_numbers_come_back_exactly(value: float) -> None:
    assert np.float32(json.loads(json.dumps(exact(value)))) == np.float32(value)

from pathlib import Path

from tests.cli.conftest import Shell
from tests.evaluate.report.made import varied


def test_markdown_goes_to_standard_output(shell: Shell, tmp_path: Path) -> None:
    run = shell("report", *varied(tmp_path), "--title", "Mine")
    assert run.code == 0, run.err
    assert run.out.startswith("# Mine\n")
    assert "## Quality and size by dimension" in run.out


def test_every_format_at_once(shell: Shell, tmp_path: Path) -> None:
    names = {"--html": "a.html", "--markdown": "a.md", "--csv": "a.csv", "--latex": "a.tex"}
    arguments = [part for option, name in names.items() for part in (option, tmp_path / name)]
    run = shell("report", *varied(tmp_path), *arguments)
    assert (run.code, run.out) == (0, "")
    begin = [(tmp_path / name).read_text().splitlines()[0] for name in names.values()]
    assert begin == ["<!DOCTYPE html>", "# Evaluation", "table,row,column,value", "% \\usepackage{booktabs}"]
    assert run.err.count("written") == 4


def test_a_file_of_something_else(shell: Shell, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text("{}")
    run = shell("report", other)
    assert run.code == 1
    assert "is no file of results of quiver evaluate" in run.err

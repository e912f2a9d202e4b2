import pytest

from quiver.cli.tables import Column, write_table
from quiver.cli.target import open_target

COLUMNS = (Column("rank", align="right"), Column("text", flexible=True))


def shown(rows: list[tuple[str, str]], capsys: pytest.CaptureFixture[str], *, wrap: bool = False) -> str:
    with open_target(None) as target:
        write_table(target, COLUMNS, rows, wrap=wrap)
    return capsys.readouterr().out


def test_markup_and_escapes_are_shown_not_obeyed(capsys: pytest.CaptureFixture[str]) -> None:
    out = shown([("1", "[red]a[/red] :smile: [link=x]b\x1b[31m"), ("2", "[/unopened]")], capsys)
    assert "[red]a[/red] :smile: [link=x]b\ufffd[31m" in out
    assert "[/unopened]" in out
    assert "\x1b" not in out


def test_only_the_flexible_column_gives_way(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    lines = shown([("123456789", "long " * 50)], capsys).splitlines()
    assert [len(line) for line in lines] == [30, 30, 30]
    assert lines[2].startswith("123456789  long long")
    assert lines[2].endswith("\u2026")


def test_or_wraps(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    out = shown([("1", "word " * 20)], capsys, wrap=True)
    assert out.count("word") == 20
    assert "\u2026" not in out

import pytest

from quiver import progress
from quiver.progress import token_progress


def test_no_bar_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    with token_progress("Embedding", 10, None) as advance:
        advance(10)
    assert capsys.readouterr().err == ""


def test_short_work_shows_no_bar(capsys: pytest.CaptureFixture[str]) -> None:
    with token_progress("Embedding", 10, True) as advance:
        advance(10)
    assert "Embedding" not in capsys.readouterr().err


def test_long_work_shows_how_far_it_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "PATIENCE_SECONDS", -1.0)
    monkeypatch.setenv("FORCE_COLOR", "1")
    with token_progress("Embedding", 2000, True) as advance:
        advance(1500)
        advance(500)
    shown = capsys.readouterr().err
    assert "Embedding" in shown
    assert "2,000 of 2,000 tokens" in shown

"""``quiver calibrate`` and ``quiver plan``."""

import json
from pathlib import Path

import pytest

from quiver.cli.plan import size
from tests.cli.conftest import Shell, finished

JOB = ("--documents", "1e9", "--tokens", "200", "--dim", "256")


def test_from_a_calibration_to_a_plan(tmp_path: Path) -> None:
    rates = tmp_path / "rates.json"
    run = finished(
        "calibrate", "--seconds", "1", "--lengths", "8", "--lengths", "64", "--rates", rates, module="quiver"
    )
    assert run.code == 0, run.err
    assert "rates of quiver-embedding-mini are in" in run.err
    run = finished("plan", *JOB, "--rates", rates, "--within", "24", "--format", "json", module="quiver")
    assert run.code == 0, run.err
    content = json.loads(run.out)
    (engine,) = content["engines"]
    assert engine["basis"] == "measured"
    assert engine["hours"] <= 24
    assert content["storage"]["vector_bytes"] == 1e9 * 256 * 4
    assert content["storage"]["shards"] == 100
    assert content["assumptions"]["price"] == 0.1


def test_a_table_of_everything(shell: Shell) -> None:
    run = shell("plan", *JOB, "--rate", "one GPU=60000@2.50", "--assume", "copies=2")
    assert run.code == 0, run.err
    for words in ("machine-hours", "one GPU (60,000 tokens a second, at 2.5 an hour)", "shards", "copies"):
        assert words in run.out
    assert "2,314.81" in run.out


def test_without_rates_it_says_what_to_do(shell: Shell, tmp_path: Path) -> None:
    run = shell("plan", *JOB, "--rates", tmp_path / "none.json")
    assert run.code == 1
    assert "run `quiver calibrate` first" in run.err


@pytest.mark.parametrize(
    ("count", "shown"), [(0, "0 B"), (999, "999 B"), (1e9, "1 GB"), (2.31e12, "2.31 TB"), (5e18, "5e+03 PB")]
)
def test_sizes_for_people(count: float, shown: str) -> None:
    assert size(count) == shown

from pathlib import Path

import pytest

from quiver.errors import InputError
from quiver.evaluate.report import read_runs
from tests.evaluate.report.made import everywhere, results, varied, write


def test_runs_are_told_apart_by_precision_and_know_their_dimension(tmp_path: Path) -> None:
    runs = read_runs(varied(tmp_path)).runs
    assert [run.name for run in runs][:3] == ["mini, float32", "mini@128, float32", "mini@64, float32"]
    assert [run.dimension for run in runs][:4] == [256, 128, 64, 32]
    assert {run.precision for run in runs} == {"float32", "int8"}
    assert {run.model for run in runs} == {"mini", "mini + judge"}


def test_names_that_differ_stay_as_they_are(tmp_path: Path) -> None:
    file = write(tmp_path / "a.json", results("one", everywhere(0.5)), results("two", everywhere(0.6)))
    assert [run.name for run in read_runs([file]).runs] == ["one", "two"]


def test_runs_of_one_precision_are_told_apart_by_file(tmp_path: Path) -> None:
    old = write(tmp_path / "old.json", results("mini", everywhere(0.5), dimension=256))
    new = write(tmp_path / "new.json", results("mini", everywhere(0.6), dimension=128))
    assert [run.name for run in read_runs([old, new]).runs] == ["mini, old", "mini, new"]


def test_one_system_in_two_files_is_one_run(tmp_path: Path) -> None:
    first = write(tmp_path / "a.json", results("mini", {"news-en": 0.5, "news-zh": 0.1}))
    second = write(tmp_path / "b.json", results("mini", {"news-zh": 0.4, "pairs-en": 0.7}))
    (run,) = read_runs([first, second]).runs
    assert {name: result.score for name, result in run.results.items()} == {
        "news-en": 0.5,
        "news-zh": 0.4,
        "pairs-en": 0.7,
    }


def test_other_data_under_the_same_name_is_refused(tmp_path: Path) -> None:
    first = write(tmp_path / "a.json", results("one", {"news-en": 0.5}, data="d1"))
    second = write(tmp_path / "b.json", results("two", {"news-en": 0.5}, data="d2"))
    with pytest.raises(InputError, match=r"b\.json and .*a\.json have different data for the set 'news-en'"):
        read_runs([first, second])


def test_files_without_results(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no file"):
        read_runs([tmp_path / "absent.json"])
    with pytest.raises(InputError, match="holds no results"):
        read_runs([write(tmp_path / "empty.json")])

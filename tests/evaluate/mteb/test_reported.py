"""mteb's result folders in reports: the numbers of mteb's own reader, and queries' scores with them."""

import json
from pathlib import Path
from typing import Any

import pytest

from quiver.errors import InputError
from quiver.evaluate.mteb import MtebEncoder, evaluate_tasks
from quiver.evaluate.report import read_runs, report, to_html, to_markdown
from quiver.evaluate.scores import TaskScore


@pytest.fixture
def scores(tasks: list[Any], model: MtebEncoder, tmp_path: Path) -> list[TaskScore]:
    return evaluate_tasks(tasks, model, folder=tmp_path / "kept", show_progress_bar=False).scores


def test_what_evaluate_left_is_one_run(scores: list[TaskScore], tmp_path: Path) -> None:
    (run,) = read_runs([tmp_path / "kept"]).runs
    assert run.name == "some/encoder"
    assert {name: result.score for name, result in run.results.items()} == pytest.approx(
        {score.task: score.score for score in scores}
    )
    for score in scores:
        known = [value for own in score.by_query.values() for value in own.values()]
        assert sorted(run.results[score.task].by_query.values()) == sorted(known)
        assert run.results[score.task].metric != ""
    types = {name: result.type for name, result in run.results.items()}
    assert (types["sts"], types["clustering"], types["retrieval"]) == ("sts", "clustering", "retrieval")


def test_mtebs_own_folder_and_two_models_side_by_side(scores: list[TaskScore], tmp_path: Path) -> None:
    results = tmp_path / "kept" / "results"
    other = tmp_path / "other" / "org__model" / "v1"
    other.mkdir(parents=True)
    for path in results.rglob("retrieval.json"):
        content = json.loads(path.read_bytes())
        content["scores"]["test"][0]["main_score"] += 0.01
        (other / path.name).write_text(json.dumps(content))
    runs = read_runs([results, tmp_path / "other"])
    assert [run.name for run in runs.runs] == ["some/encoder", "org/model"]
    page = report(runs)
    written = to_markdown(page.title, page.tables)
    assert "Scores and changes, were the queries drawn again" in written
    assert "org/model" in to_html(page)


def test_folders_without_results_and_damaged_files(tmp_path: Path) -> None:
    (tmp_path / "notes.json").write_text("{}")
    with pytest.raises(InputError, match="holds no results of mteb"):
        read_runs([tmp_path])
    (tmp_path / "Task.json").write_text(json.dumps({"task_name": "Task", "scores": {"test": [{}]}}))
    with pytest.raises(InputError, match=r"Task\.json is no whole result of mteb"):
        read_runs([tmp_path])
    (tmp_path / "Task.json").write_text("{")
    with pytest.raises(InputError, match=r"Task\.json cannot be read"):
        read_runs([tmp_path])

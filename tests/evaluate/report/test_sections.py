"""What a report says of runs, by its tables."""

from pathlib import Path

import pytest

from quiver.evaluate import Bm25, evaluate
from quiver.evaluate.report import Page, read_runs, report
from quiver.evaluate.report.tables import Cell
from tests.evaluate import sets
from tests.evaluate.report.made import everywhere, results, varied, write
from tests.evaluate.sets import FixedEncoder


@pytest.fixture
def page(tmp_path: Path) -> Page:
    return report(read_runs(varied(tmp_path)))


def rows(page: Page, title: str) -> dict[Cell, list[Cell]]:
    table = next(table for table in page.tables if table.title == title)
    return {row[0]: list(row[1:]) for row in table.rows}


def test_every_question_has_its_section(page: Page) -> None:
    titles = [section.title for section in page.sections]
    assert titles == [
        "The runs", "By type of task", "By language", "Dimension", "Precision", "Cost", "Every set"
    ]  # fmt: skip
    assert page.words[0] == "10 runs on 4 sets of 3 types."


def test_means_are_by_type_and_over_types(page: Page) -> None:
    precision, dimension, overall, *by_type = rows(page, "Means")["(1) mini, float32"]
    assert (precision, dimension) == ("float32", 256)
    assert by_type == pytest.approx([0.605, 0.62, 0.63])
    assert overall == pytest.approx((0.605 + 0.62 + 0.63) / 3)


def test_languages_have_the_mean_over_their_sets(page: Page) -> None:
    assert rows(page, "Mean score by language")["en"][0] == pytest.approx((0.6 + 0.62) / 2)


def test_the_curve_of_dimensions(page: Page) -> None:
    table = next(table for table in page.tables if table.title == "Quality and size by dimension")
    own = [tuple(row[1:]) for row in table.rows if row[0] == "mini, float32"]
    assert [row[:2] for row in own] == [(256, 1024), (128, 512), (64, 256), (32, 128)]
    assert own[0][3] == 1
    assert own[3][2] == pytest.approx(0.332 + 0.015)


def test_precisions_and_costs(page: Page) -> None:
    assert rows(page, "Mean score by precision")["mini"] == pytest.approx([0.615, 0.605])
    assert rows(page, "Time and quality")["(1) mini, float32"] == pytest.approx([12, 0.615])


def test_a_run_without_all_sets_has_no_mean(tmp_path: Path) -> None:
    file = write(tmp_path / "a.json", results("one", everywhere(0.5)), results("two", {"news-en": 0.9}))
    found = report(read_runs([file]))
    assert rows(found, "Means")["(2) two"][2:] == [None, None, None, None]
    assert rows(found, "retrieval")["mean"] == ["", pytest.approx(0.505), None]


def test_what_does_not_vary_has_no_section(tmp_path: Path) -> None:
    file = write(tmp_path / "a.json", results("one", {"news-en": 0.5}))
    titles = [section.title for section in report(read_runs([file])).sections]
    assert titles == ["The runs", "Every set"]


def test_a_real_run_of_every_type(tmp_path: Path) -> None:
    folders = [make(tmp_path / kind) for kind, make in sets.MAKERS.items()]
    file = tmp_path / "results.json"
    evaluate(folders, {"fixed": FixedEncoder(), "BM25": Bm25()}, dimensions=[8], results_file=file)
    found = report(read_runs([file]))
    assert [row[0] for row in found.tables[0].rows] == ["(1) fixed", "(2) fixed@8", "(3) BM25"]
    languages = rows(found, "Mean score by language")
    assert set(languages) == {"en", "deu", "eng", "zho-CN"}
    assert languages["deu"][0] != languages["zho-CN"][0]
    assert languages["deu"][1] is None

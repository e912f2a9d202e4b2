"""The gate: a baseline that is made by a run, and runs that reach it or fall short."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from quiver.errors import InputError
from quiver.evaluate import Bm25, RerankStage, System, evaluate
from quiver.evaluate.gate import Baseline, Measured, judge, measured, read_baseline, write_baseline
from tests.evaluate import sets
from tests.evaluate.sets import FixedEncoder
from tests.evaluate.test_run import Judge


@pytest.fixture
def scores(tmp_path: Path) -> list[Measured]:
    folders = [sets.retrieval(tmp_path / "a"), sets.sts(tmp_path / "b")]
    stage = RerankStage(name="judge", model=Judge())
    systems: dict[str, System] = {"mini": FixedEncoder(), "BM25": Bm25()}
    return measured(evaluate(folders, systems, dimensions=[8], reranker=stage), "mini")


def test_the_model_and_its_variants(scores: list[Measured]) -> None:
    assert [(score.set, score.variant) for score in scores] == [
        ("a", ""),
        ("a", "@8"),
        ("a", "+ reranker"),
        ("b", ""),
        ("b", "@8"),
    ]
    assert [len(score.by_query) for score in scores] == [30, 30, 30, 0, 0]
    assert sum(scores[0].by_query.values()) / 30 == pytest.approx(scores[0].score)


def test_a_run_reaches_its_own_baseline(scores: list[Measured], tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    write_baseline(path, scores, allowed_loss=0.0)
    before = path.read_bytes()
    verdicts = judge(read_baseline(path), scores)
    assert len(verdicts) == 5
    assert all(verdict.passed and verdict.loss == 0 for verdict in verdicts)
    write_baseline(path, scores, allowed_loss=0.0)
    assert path.read_bytes() == before


def test_a_loss_beyond_what_is_allowed(scores: list[Measured]) -> None:
    worse = [replace(score, score=score.score - 0.02) for score in scores]
    for allowed, passed in ((0.01, False), (0.03, True)):
        verdicts = judge(Baseline(allowed_loss=allowed, scores=scores), worse)
        assert [verdict.passed for verdict in verdicts] == [passed] * 5
        assert verdicts[0].loss == pytest.approx(0.02, abs=1e-6)


def test_how_sure_a_change_is(scores: list[Measured]) -> None:
    """Every query loses the same: drawing others changes nothing. Only one loses: it may be drawn or not."""
    ranking = scores[0]
    alike = replace(ranking, by_query={query: score - 0.1 for query, score in ranking.by_query.items()})
    single = replace(ranking, by_query={**ranking.by_query, "q0": ranking.by_query["q0"] - 3.0})
    [even], [uneven] = (judge(Baseline(allowed_loss=1, scores=[ranking]), [new]) for new in (alike, single))
    assert even.change is not None
    assert uneven.change is not None
    assert (even.change.low, even.change.high) == pytest.approx((-0.1, -0.1))
    assert uneven.change.low < -0.1 < uneven.change.high == 0


def test_a_score_that_the_run_lacks(scores: list[Measured]) -> None:
    verdicts = judge(Baseline(allowed_loss=1, scores=scores), scores[1:])
    assert [verdict.passed for verdict in verdicts] == [False, True, True, True, True]


def test_sets_that_are_new_are_not_looked_at(scores: list[Measured]) -> None:
    assert len(judge(Baseline(allowed_loss=0, scores=scores[:1]), scores)) == 1


def test_other_data_do_not_compare(scores: list[Measured]) -> None:
    other = [replace(score, data="other") for score in scores]
    with pytest.raises(InputError, match="a: its data or metric are not those of the baseline"):
        judge(Baseline(allowed_loss=1, scores=scores), other)


def test_nothing_to_write(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no scores to write"):
        write_baseline(tmp_path / "baseline.json", [])


@pytest.mark.parametrize(
    "content",
    ["{", "[]", '{"format": "quiver evaluate 2"}', '{"format": "quiver baseline 1", "scores": [1]}'],
)
def test_a_file_that_is_no_baseline(tmp_path: Path, content: str) -> None:
    path = tmp_path / "notes.json"
    path.write_text(content)
    with pytest.raises(InputError, match="--write-baseline"):
        read_baseline(path)
    with pytest.raises(InputError, match="cannot read the baseline"):
        read_baseline(tmp_path / "none.json")


def test_a_baseline_names_no_model(scores: list[Measured], tmp_path: Path) -> None:
    write_baseline(tmp_path / "baseline.json", scores)
    assert "mini" not in json.dumps(json.loads((tmp_path / "baseline.json").read_text()))

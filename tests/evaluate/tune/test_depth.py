from collections.abc import Sequence
from types import SimpleNamespace

import numpy as np
import pytest

from quiver.errors import InputError
from quiver.evaluate.tune import Verdict, candidates, tune_depth
from quiver.results import Floats
from tests.evaluate.tune.world import NoisyEncoder, world


class Oracle:
    """Knows the answers, or holds the opposite; a pair takes it a millisecond of its own clock."""

    def __init__(self, sign: int = 1) -> None:
        self.sign = sign
        self.pairs: list[tuple[str, str]] = []

    def predict(
        self,
        pairs: Sequence[tuple[str, str]],
        *,
        instruction: str | Sequence[str] | None = None,
        show_progress_bar: bool | None = None,
    ) -> Floats:
        self.pairs += pairs
        right = [query.split()[-1] == document.split()[-1] for query, document in pairs]
        return self.sign * np.asarray(right, dtype=np.float32)

    def clock(self) -> float:
        return len(self.pairs) / 1000


def tune(judge: Oracle, queries: int = 300, monkeypatch: pytest.MonkeyPatch | None = None, **options: object):  # type: ignore[no-untyped-def]  # noqa: ANN201
    if monkeypatch is not None:
        monkeypatch.setattr(candidates, "time", SimpleNamespace(perf_counter=judge.clock))
    depths = options.pop("depths", (5, 20, 80))
    return tune_depth(world(queries), NoisyEncoder(usual=1.6), judge, depths=depths, **options)  # type: ignore[arg-type]


def test_deep_enough_and_no_deeper() -> None:
    """Nearly every answer is among the first 50 of 300 documents."""
    advice = tune(Oracle(), depths=(5, 50, 299))
    assert (advice.value, advice.verdict) == (50, Verdict.HOLDS)
    assert "rerank_top=50" in advice.python
    assert "--rerank-top 50" in advice.shell


def test_a_latency_bounds_the_depth(monkeypatch: pytest.MonkeyPatch) -> None:
    advice = tune(Oracle(), monkeypatch=monkeypatch, latency_ms=30)
    assert (advice.value, advice.verdict) == (20, Verdict.HOLDS)
    assert [row[0] for row in advice.table.rows] == [0, 5, 20, 80]
    assert [row[-1] for row in advice.table.rows] == pytest.approx([0, 5, 20, 80])


def test_no_depth_keeps_the_latency(monkeypatch: pytest.MonkeyPatch) -> None:
    advice = tune(Oracle(), monkeypatch=monkeypatch, latency_ms=2)
    assert (advice.value, advice.verdict) == (0, Verdict.DEFAULT)
    assert "No depth that was tried keeps 2 ms" in advice.reason
    assert "rerank" not in advice.shell


def test_a_reranker_that_does_harm_is_left_out() -> None:
    advice = tune(Oracle(sign=-1))
    assert (advice.value, advice.verdict) == (0, Verdict.DEFAULT)


def test_a_gain_that_may_be_luck_is_not_recommended_and_says_what_would_settle_it() -> None:
    task = world(40)
    advice = tune_depth(task, NoisyEncoder(usual=1.05), Oracle(), depths=(5,))
    gain = advice.table.rows[1][2]
    assert isinstance(gain, float)
    assert 0 < gain < 0.05
    assert (advice.value, advice.verdict) == (0, Verdict.UNCLEAR)
    assert "labelled queries would settle" in advice.reason


def test_every_pair_is_scored_once() -> None:
    judge = Oracle()
    tune(judge, queries=30, depths=(5, 10))
    assert len(judge.pairs) == len(set(judge.pairs)) == 30 * 10


def test_mistakes() -> None:
    with pytest.raises(InputError, match="numbers of candidates from 1 on"):
        tune(Oracle(), depths=(0, 5))

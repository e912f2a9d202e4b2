"""The gate that the built-in models stand behind: no precision may lose more than the baseline allows.

After they were replaced on purpose, ``make baseline`` writes what they must reach from then on.
"""

from pathlib import Path

import pytest

from quiver import Embedder, Reranker
from quiver.errors import DeviceError
from quiver.evaluate import RerankStage, evaluate
from quiver.evaluate.gate import Verdict, judge, measured, read_baseline

GATE = Path(__file__).with_name("gate")
SETS = [GATE / "answers", GATE / "alike"]


def verdicts(dtype: str, truncate_dim: int | None = None) -> list[Verdict]:
    try:
        embedder = Embedder(dtype=dtype, truncate_dim=truncate_dim, on_too_long="truncate")
        reranker = Reranker(dtype=dtype, on_too_long="truncate")
    except DeviceError as error:
        pytest.skip(str(error))
    stage = RerankStage(name="reranker", model=reranker, top=10)
    results = evaluate(SETS, {"mini": embedder}, reranker=stage, show_progress_bar=False)
    return judge(read_baseline(GATE / "baseline.json"), measured(results, "mini"))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int8"])
def test_no_precision_loses_more_than_is_allowed(dtype: str) -> None:
    found = verdicts(dtype)
    assert len(found) == 3
    short = [(one.baseline.set, one.baseline.variant, one.loss) for one in found if not one.passed]
    assert short == []


def test_the_gate_would_notice() -> None:
    """Vectors cut to a few values find much less."""
    assert not all(verdict.passed for verdict in verdicts("float32", truncate_dim=8))

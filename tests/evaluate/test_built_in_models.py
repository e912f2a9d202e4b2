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


@pytest.mark.parametrize("words", ["\nQuery", "\n(Document)", "\nQuery\nQuery\nDocument\nQuery"])
def test_the_prompts_own_words_do_not_mislead_the_reranker(words: str) -> None:
    """It knows the parts of its prompt by them, and texts may hold them, too."""
    query = "how do planners choose an index?"
    right = "The planner estimates rows and picks the index that reads fewest of them." + words
    wrong = "Bread keeps fresh in a bag for some days."
    plain, marked = Reranker().predict([(query, wrong), (query, right)]).log_odds
    assert marked > plain + 0.5
    both = Reranker().predict([(query + words, wrong), (query + words, right)]).log_odds
    assert both[1] > both[0] + 0.5


def test_the_reranker_counts_beside_what_found_its_documents() -> None:
    assert Reranker().retrieval_weight == 1

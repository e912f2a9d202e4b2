import numpy as np
import pytest

from quiver import Embedder, Reranker
from quiver.train import checks
from quiver.train.checks import TrainingError
from tests.train.rows import make_rows

DRAW = np.random.default_rng(0)
ANSWERS = DRAW.normal(size=(8, 4)).astype(np.float32)


def test_a_model_that_did_not_move_is_refused() -> None:
    assert checks.check_moved(ANSWERS, ANSWERS + 0.1) == pytest.approx(0.2, rel=1e-5)
    with pytest.raises(TrainingError, match="changed nothing"):
        checks.check_moved(ANSWERS, ANSWERS.copy())
    with pytest.raises(TrainingError, match="not finite"):
        checks.check_moved(ANSWERS, ANSWERS * np.nan)


def test_a_model_that_answers_all_alike_is_refused() -> None:
    assert checks.check_spread(ANSWERS) > 0.5
    with pytest.raises(TrainingError, match="collapsed"):
        checks.check_spread(np.full((8, 1), 0.999, np.float32))


def test_a_folder_without_the_adapter_is_refused() -> None:
    base, trained = ANSWERS, ANSWERS + 0.1
    moved = checks.check_moved(base, trained)
    checks.check_saved(trained, trained + 1e-4, moved)
    with pytest.raises(TrainingError, match="adapter"):
        checks.check_saved(trained, base, moved)


def test_rounding_may_change_a_little_of_a_large_move() -> None:
    far = ANSWERS + 1.0
    moved = checks.check_moved(ANSWERS, far)
    checks.check_saved(far, far + 0.05, moved)
    with pytest.raises(TrainingError, match="adapter"):
        checks.check_saved(far, far + 0.3, moved)


def test_a_network_in_bfloat16_answers_as_far_off_as_the_folder_does() -> None:
    far = ANSWERS + 1.0
    moved = checks.check_moved(ANSWERS, far)
    rounding = checks.distance(far, far + 0.2)
    checks.check_saved(far, far + 0.2, moved, rounding)
    with pytest.raises(TrainingError, match="adapter"):
        checks.check_saved(far, far + 0.2, moved)
    with pytest.raises(TrainingError, match="adapter"):
        checks.check_saved(far, ANSWERS, moved, rounding)


def test_probes_and_scores_come_from_serving(embedder: Embedder, reranker: Reranker) -> None:
    rows = make_rows(6, negatives=2, instruction="find")
    vectors = checks.probe(embedder, rows)
    np.testing.assert_array_equal(vectors[0], embedder.encode_query(rows[0].query, instruction="find"))
    chances = checks.probe(reranker, rows)
    assert chances.shape == (12, 1)
    expected = reranker.predict([(rows[0].query, rows[0].positives[0])], instruction="find")
    assert chances[0, 0] == pytest.approx(float(expected[0]), abs=1e-6)
    for model in (embedder, reranker):
        assert 0 <= checks.serving_score(model, rows) <= 1


def test_rows_with_and_without_instruction_may_mix(embedder: Embedder) -> None:
    rows = [*make_rows(2), *make_rows(2, instruction="find")]
    vectors = checks.probe(embedder, rows)
    np.testing.assert_array_equal(vectors[1], embedder.encode_query(rows[1].query))
    np.testing.assert_array_equal(vectors[3], embedder.encode_query(rows[3].query, instruction="find"))

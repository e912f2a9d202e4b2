"""int8 where sizes are uneven: outliers between tensors, and in the rows of some tokens."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from quiver import Reranker
from quiver.engine.base import Floats
from quiver.engine.execute import plan_and_run
from quiver.models.checkpoint import open_checkpoint
from tests.checkpoints import write_checkpoint
from tests.engine import outliers
from tests.engine.oracle import cosines, random_sequences

native = pytest.importorskip("quiver.engine.native", reason="no extension here", exc_type=ImportError)
NativeEngine = native.NativeEngine

SEQUENCES = random_sequences((1, 5, 33, 60, 100, 150))
MOVES = (
    outliers.between_norm_and_attention,
    outliers.between_norm_and_feed_forward,
    outliers.between_up_and_down,
    outliers.between_values_and_output,
)
FACTORS = (1000.0, -30.0, 0.001)


def rows_of(folder: Path, dtype: str) -> Floats:
    return plan_and_run(NativeEngine(open_checkpoint(folder), dtype), SEQUENCES)[0]


@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize("change", MOVES)
def test_outliers_between_tensors_are_harmless(
    tmp_path: Path, even_folder: Path, change: outliers.Change, factor: float
) -> None:
    folder = outliers.write_changed(even_folder, tmp_path / "model", change, factor)
    expected = rows_of(even_folder, "float32")
    np.testing.assert_allclose(cosines(expected, rows_of(folder, "float32")), 1, atol=1e-6)
    assert cosines(expected, rows_of(folder, "int8")).min() >= 0.995


@pytest.fixture(scope="module")
def even_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights, no channel larger than others."""
    shape: dict[str, Any] = {"hidden_size": 256, "intermediate_size": 768, "initializer_range": 0.02}
    return write_checkpoint(tmp_path_factory.mktemp("even") / "model", **shape)


@pytest.fixture(scope="module")
def massive_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some tokens have a channel a thousand times as large as the others."""
    folder = tmp_path_factory.mktemp("massive")
    shape: dict[str, Any] = {"hidden_size": 512, "intermediate_size": 1536, "initializer_range": 0.02}
    source = write_checkpoint(folder / "source", **shape)
    return outliers.write_changed(source, folder / "model", outliers.in_every_third_token, 1000)


def test_rows_with_massive_channels_stay_close(massive_folder: Path) -> None:
    assert cosines(rows_of(massive_folder, "float32"), rows_of(massive_folder, "int8")).min() >= 0.997


def test_rows_with_and_without_outliers_give_the_same_bits_in_any_company(massive_folder: Path) -> None:
    engine = NativeEngine(open_checkpoint(massive_folder), "int8")
    together, _ = plan_and_run(engine, SEQUENCES)
    for sequence, row in zip(SEQUENCES, together, strict=True):
        alone, _ = plan_and_run(engine, [sequence])
        np.testing.assert_array_equal(alone[0], row)


def scores_of(folder: Path, dtype: str) -> Floats:
    documents = ("Paris is the capital of France.", "Bread needs flour.", "北京是中国的首都。")
    pairs = [("capital of France", document) for document in documents]
    return np.asarray(Reranker(folder, dtype=dtype, backend="native").predict(pairs))


@pytest.mark.parametrize("change", MOVES)
def test_scores_stay_close(tmp_path: Path, change: outliers.Change) -> None:
    shape: dict[str, Any] = {"hidden_size": 256, "intermediate_size": 768, "initializer_range": 0.05}
    source = write_checkpoint(tmp_path / "even-reranker", "reranker", **shape)
    folder = outliers.write_changed(source, tmp_path / "reranker", change, 1000)
    np.testing.assert_allclose(scores_of(folder, "int8"), scores_of(source, "float32"), atol=0.03)


def test_the_built_in_rerankers_scores_stay_close() -> None:
    folder = open_checkpoint(None, "reranker").folder
    np.testing.assert_allclose(scores_of(folder, "int8"), scores_of(folder, "float32"), atol=0.03)

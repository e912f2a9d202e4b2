import pytest

from quiver.errors import InputError
from quiver.evaluate.tune import Verdict, tune_dims
from tests.evaluate.tune.world import DIMENSION, SIGNAL, NoisyEncoder, world


def test_values_that_mean_nothing_are_cut() -> None:
    encoder = NoisyEncoder(usual=0.8)
    advice = tune_dims(world(300), {"float32": encoder}, dimensions=[48, 32, 16, 8], model="some/model")
    assert (advice.value.dimension, advice.verdict) == (SIGNAL, Verdict.HOLDS)
    assert encoder.documents_embedded == 300
    assert advice.python == 'Embedder("some/model", dtype="float32", truncate_dim=32)'
    assert advice.shell.startswith("quiver embed --model some/model --dtype float32 --dim 32 ")
    assert [row[0] for row in advice.table.rows] == [f"{n} values, float32" for n in (64, 48, 32, 16, 8)]


def test_a_larger_loss_allows_shorter_vectors() -> None:
    chosen = [
        tune_dims(world(300), {"auto": NoisyEncoder(usual=0.8)}, dimensions=[32, 24, 16, 8], loss=loss).value
        for loss in (0.02, 0.2, 0.6)
    ]
    lengths = [choice.dimension for choice in chosen]
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[0] > lengths[-1]


def test_nothing_is_cut_where_every_value_counts() -> None:
    advice = tune_dims(world(300), {"auto": NoisyEncoder(usual=0.8)}, dimensions=[8, 4])
    assert (advice.value.dimension, advice.verdict) == (DIMENSION, Verdict.DEFAULT)
    assert advice.python == "Embedder(truncate_dim=64)"


def test_too_little_data_leaves_the_whole_vector_and_says_how_much_is_wanted() -> None:
    advice = tune_dims(world(40), {"auto": NoisyEncoder(usual=0.9)}, dimensions=[30], loss=0.03)
    assert (advice.value.dimension, advice.verdict) == (DIMENSION, Verdict.UNCLEAR)
    assert tune_dims(world(10), {"auto": NoisyEncoder()}).verdict is Verdict.UNCLEAR


def test_precisions_are_compared_with_the_first() -> None:
    embedders = {"float32": NoisyEncoder(usual=0.8), "int8": NoisyEncoder(usual=3)}
    advice = tune_dims(world(300), embedders, dimensions=[32])
    assert (advice.value.precision, advice.value.dimension) == ("float32", SIGNAL)
    chart = advice.figures[0].chart
    assert [series.name for series in chart.series] == ["float32", "int8"]  # type: ignore[union-attr]


def test_mistakes() -> None:
    with pytest.raises(InputError, match="cannot be cut to 65"):
        tune_dims(world(30), {"auto": NoisyEncoder()}, dimensions=[65])
    with pytest.raises(InputError, match="a share between 0 and 1"):
        tune_dims(world(30), {"auto": NoisyEncoder()}, loss=2)

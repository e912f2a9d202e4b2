"""Calibration: what is measured is what was run."""

import pytest

from quiver import Embedder
from quiver.errors import InputError
from quiver.planning.calibrate import ROUNDS, calibrate, machine


def test_every_length_is_measured(embedder: Embedder) -> None:
    said: list[str] = []
    rate = calibrate(lambda: embedder, model="tiny", seconds=0.4, lengths=(4, 40), say=said.append)
    short, long = rate.points
    assert short.texts % ROUNDS == long.texts % ROUNDS == 0
    assert 4 < short.tokens < long.tokens
    assert 0 < short.seconds < long.seconds
    assert rate.seconds_of_text(short.tokens) == pytest.approx(short.seconds, rel=0.5)
    assert (rate.engine, rate.precision, rate.model) == (embedder.device, embedder.precision, "tiny")
    assert rate.machine == machine()
    assert rate.shape is not None
    assert rate.shape.layers == embedder.checkpoint.config.layers
    assert rate.memory_bytes > 10_000_000
    assert len(said) == 2


@pytest.mark.parametrize("wrong", [{"lengths": ()}, {"lengths": (0,)}, {"seconds": 0.0}])
def test_nothing_to_measure(wrong: dict[str, float], embedder: Embedder) -> None:
    with pytest.raises(InputError, match="a calibration needs"):
        calibrate(lambda: embedder, model="tiny", **({"seconds": 1.0} | wrong))  # type: ignore[arg-type]

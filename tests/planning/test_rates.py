"""Rates: the curve through what was measured, and files that hold it."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quiver.errors import InputError
from quiver.models.checkpoint import open_checkpoint
from quiver.planning.rates import Point, Rate, Shape, add_rate, fit_curve, read_rates

LENGTHS = (17.0, 65.0, 257.0, 1025.0)
RATE = Rate(
    engine="cpu (native, avx2, 2 threads)",
    precision="float32",
    model="Qwen/Qwen3-Embedding-0.6B",
    machine="a processor, 2 cores",
    shape=Shape(28, 1024, 3072, 2048, 1024, 151_669),
    start_seconds=2.0,
    memory_bytes=3_000_000_000,
    points=tuple(Point(n, 100, 0.001 + 0.005 * n + 1e-6 * n**2) for n in LENGTHS),
)


@given(st.floats(0, 1), st.floats(1e-6, 1), st.floats(0, 1e-3))
def test_the_curve_is_the_one_that_the_points_lie_on(base: float, linear: float, square: float) -> None:
    seconds = [base + linear * n + square * n**2 for n in LENGTHS]
    found_base, found_linear, found_square = fit_curve(LENGTHS, seconds)
    for n in (30, 200, 900):
        expected = base + linear * n + square * n**2
        assert found_base + found_linear * n + found_square * n**2 == pytest.approx(expected, rel=1e-4)


@given(st.lists(st.floats(1e-5, 10), min_size=4, max_size=4))
def test_no_measurement_makes_time_fall_below_nothing(seconds: list[float]) -> None:
    coefficients = fit_curve(LENGTHS, seconds)
    assert min(coefficients) >= 0
    assert max(coefficients) > 0


def test_one_length_is_a_curve_too() -> None:
    base, linear, square = fit_curve([100], [0.5])
    assert base + linear * 100 + square * 100**2 == pytest.approx(0.5)


def test_a_file_holds_the_last_of_each_engine_and_model(tmp_path: Path) -> None:
    path = tmp_path / "rates.json"
    other = replace(RATE, precision="int8")
    later = replace(RATE, start_seconds=3.0)
    for rate in (RATE, other, later):
        add_rate(path, rate)
    assert read_rates(path) == [other, later]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "holds no rates"),
        ("[]", "holds no rates"),
        ('{"version": 2, "rates": []}', "another version"),
        ('{"version": 1, "rates": [{}]}', "holds no rates"),
        ('{"version": 1, "rates": 7}', "holds no rates"),
    ],
)
def test_a_file_that_is_none_of_ours(content: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "rates.json"
    path.write_text(content)
    with pytest.raises(InputError, match=message):
        read_rates(path)


def test_numbers_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "rates.json"
    add_rate(path, RATE)
    content = json.loads(path.read_text())
    content["rates"][0]["points"][0]["seconds"] = "1"
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match="numbers that are none"):
        read_rates(path)


def test_no_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="run `quiver calibrate` first"):
        read_rates(tmp_path / "rates.json")


@pytest.mark.parametrize("causal", [True, False])
def test_operations_are_those_of_the_network(embedder_folder: Path, causal: bool) -> None:
    config = replace(open_checkpoint(embedder_folder).config, causal=causal)
    shape = Shape.of(config)
    for tokens in (1, 7, 300):
        attended = sum(end if causal else tokens for end in range(1, tokens + 1))
        assert config.attended(tokens) == attended
        assert 2 * shape.operations(tokens) == pytest.approx(config.flops(tokens, attended))
    numbers = sum(np.prod(entry.shape) for entry in open_checkpoint(embedder_folder).tensors.values())
    assert shape.weights == pytest.approx(numbers, rel=0.02)

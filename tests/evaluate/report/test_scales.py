import pytest
from hypothesis import given
from hypothesis import strategies as st

from quiver.evaluate.report.charts import Axis
from quiver.evaluate.report.scales import make_scale


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20))
def test_all_values_lie_on_the_paper_between_round_ticks(values: list[float]) -> None:
    scale = make_scale(Axis("x"), values, 40, 400)
    assert all(40 - 1e-6 <= scale.place(value) <= 400 + 1e-6 for value in values)
    assert 2 <= len(scale.ticks) <= 8
    assert len({scale.text(tick) for tick in scale.ticks}) == len(scale.ticks)


@given(st.lists(st.floats(1e-3, 1e6), min_size=1, max_size=20))
def test_logarithmic_ones_too(values: list[float]) -> None:
    scale = make_scale(Axis("x", logarithmic=True), values, 40, 400)
    assert all(40 - 1e-6 <= scale.place(value) <= 400 + 1e-6 for value in values)
    assert len(scale.ticks) >= 2
    assert len({scale.text(tick) for tick in scale.ticks}) == len(scale.ticks)


def test_ticks_are_round_and_written_with_the_digits_they_need() -> None:
    scale = make_scale(Axis("x"), [0.31, 0.59], 0, 1)
    assert [scale.text(tick) for tick in scale.ticks] == ["0.3", "0.4", "0.5", "0.6"]
    scale = make_scale(Axis("x", least_span=0.05), [0.5854, 0.5856], 0, 1)
    assert [scale.text(tick) for tick in scale.ticks] == [
        "0.56",
        "0.57",
        "0.58",
        "0.59",
        "0.60",
        "0.61",
        "0.62",
    ]
    scale = make_scale(Axis("s", logarithmic=True), [3, 40], 0, 1)
    assert [scale.text(tick) for tick in scale.ticks] == ["2", "5", "10", "20", "50"]
    decades = make_scale(Axis("s", logarithmic=True), [0.1, 1000], 0, 1)
    assert [decades.text(tick) for tick in decades.ticks] == ["0.1", "1", "10", "100", "1,000"]
    assert scale.place(10) == pytest.approx(0.5)

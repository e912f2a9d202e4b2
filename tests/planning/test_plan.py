"""Plans: by hand, and in the ways that numbers must go."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quiver.errors import InputError
from quiver.planning.assumptions import MEANINGS, Assumptions
from quiver.planning.plan import (
    PUBLISHED,
    AssumedRate,
    EnginePlan,
    Job,
    plan_engines,
    plan_storage,
)
from quiver.planning.rates import Point, Rate
from tests.planning.test_rates import RATE

EXACT = replace(RATE, points=(Point(10, 1, 0.01), Point(1000, 1, 1.0)), start_seconds=36.0)
"""A thousandth of a second for each token."""
JOB = Job(documents=3.6e6, tokens=100, dimension=256)


def one(job: Job, rate: Rate = EXACT, **assumed: float) -> EnginePlan:
    (plan,) = plan_engines(job, [rate], [], Assumptions(**assumed))
    return plan


def test_a_plan_by_hand() -> None:
    plan = one(JOB, price=0.5)
    assert plan.documents_per_second == pytest.approx(10)
    assert plan.hours == plan.machine_hours == pytest.approx(100.01)
    assert plan.machines == 1
    assert plan.cost == pytest.approx(50.005)
    assert (plan.basis, plan.note) == ("measured", "")
    assert plan.memory_bytes == RATE.memory_bytes


def test_several_machines_are_less_than_their_sum() -> None:
    plan = one(replace(JOB, machines=10), efficiency=0.8)
    assert plan.hours == pytest.approx(0.01 + 100 / 8)
    assert plan.machine_hours == pytest.approx(10 * plan.hours)


@given(st.floats(0.02, 200), st.floats(0.3, 1))
def test_within_so_many_hours(hours: float, efficiency: float) -> None:
    plan = one(replace(JOB, within_hours=hours), efficiency=efficiency)
    assert plan.hours <= hours * (1 + 1e-9)
    if plan.machines > 1:
        fewer = one(replace(JOB, machines=plan.machines - 1), efficiency=efficiency)
        assert fewer.hours > hours or plan.machines == 2


def test_hours_that_are_too_few_to_start() -> None:
    with pytest.raises(InputError, match="opening the model alone takes 36 s"):
        one(replace(JOB, within_hours=0.005))


def test_storage_by_hand() -> None:
    job = Job(documents=25e6, tokens=200, dimension=256)
    storage = plan_storage(job, Assumptions(bytes_of_token=4, copies=2, index_overhead=1.5))
    assert storage.vector_bytes == pytest.approx(25e6 * 1024)
    assert storage.text_bytes == pytest.approx(25e6 * 800)
    assert storage.shards == 3
    assert storage.index_bytes == pytest.approx(2 * 1.5 * 25e6 * 1824)
    assert storage.shard_bytes == pytest.approx(1.5 * 25e6 * 1824 / 3)
    assert storage.search_memory_bytes == pytest.approx(2 * 25e6 * 32)


def test_another_size_is_scaled_by_its_operations() -> None:
    plan = one(replace(JOB, model="Qwen/Qwen3-Embedding-8B"))
    assert plan.basis == "scaled"
    assert "times those of Qwen/Qwen3-Embedding-0.6B" in plan.note
    factor = PUBLISHED["8B"].operations(100) / PUBLISHED["0.6B"].operations(100)
    assert plan.documents_per_second == pytest.approx(10 / factor)
    more = 4 * (PUBLISHED["8B"].weights - PUBLISHED["0.6B"].weights)
    assert plan.memory_bytes == pytest.approx(RATE.memory_bytes + more)


def test_what_was_measured_goes_before_what_is_scaled() -> None:
    name = "Qwen/Qwen3-Embedding-4B"
    measured = replace(EXACT, model=name, shape=PUBLISHED["4B"])
    plans = plan_engines(replace(JOB, model=name), [EXACT, measured], [], Assumptions())
    assert [(plan.basis, plan.model) for plan in plans] == [("measured", name)]
    elsewhere = replace(EXACT, machine="another")
    plans = plan_engines(replace(JOB, model=name), [elsewhere, measured], [], Assumptions())
    assert sorted(plan.basis for plan in plans) == ["measured", "scaled"]


def test_published_shapes_have_their_published_size() -> None:
    assert [round(shape.weights / 1e9, 1) for shape in PUBLISHED.values()] == [0.6, 4.0, 7.6]


def test_lengths_beyond_the_measured_ones_are_told() -> None:
    assert one(replace(JOB, tokens=5000)).note == "measured with 10 to 1,000 tokens only"


def test_engines_that_nobody_measured() -> None:
    rate = AssumedRate.parse("one GPU=50000@2.5")
    plan, *_ = plan_engines(JOB, [EXACT], [rate], Assumptions())
    assert (plan.engine, plan.basis) == ("one GPU", "assumed")
    assert plan.machine_hours == pytest.approx(2.0)
    assert plan.cost == pytest.approx(5.0)
    assert AssumedRate.parse("a=1e3").price is None


@pytest.mark.parametrize("text", ["", "a", "a=", "=5", "a=b", "a=0", "a=-1", "a=nan", "a=1@x", "a=inf"])
def test_rates_that_are_none(text: str) -> None:
    with pytest.raises(InputError, match="is no rate"):
        AssumedRate.parse(text)


def test_assumptions_are_replaced_by_name() -> None:
    assert Assumptions.replaced(["price=2", "copies=3"]) == Assumptions(price=2, copies=3)
    for wrong in ("prise=2", "price", "price=a", "efficiency=0", "price=-1", "price=nan"):
        with pytest.raises(InputError):
            Assumptions.replaced([wrong])


def test_every_assumption_has_a_meaning() -> None:
    assert list(MEANINGS) == list(Assumptions.__dataclass_fields__)


@pytest.mark.parametrize(
    "wrong", [{"documents": 0}, {"tokens": -1}, {"dimension": 0}, {"machines": 2, "within_hours": 3}]
)
def test_jobs_that_are_none(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError):
        replace(JOB, **wrong)  # type: ignore[arg-type]


def test_nothing_to_plan_from() -> None:
    with pytest.raises(InputError, match="run `quiver calibrate`"):
        plan_engines(JOB, [], [], Assumptions())

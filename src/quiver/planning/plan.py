"""Plan: from a job, rates and assumptions to time, machines, memory, disk, shards and cost."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from quiver.errors import InputError
from quiver.planning.assumptions import Assumptions
from quiver.planning.rates import Rate, Shape

SIZE_OF_NUMBER = {"float32": 4.0, "bfloat16": 2.0, "float16": 2.0, "int8": 1.0}

PUBLISHED = {
    "0.6B": Shape(28, 1024, 3072, 2048, 1024, 151_669),
    "4B": Shape(36, 2560, 9728, 4096, 1024, 151_669),
    "8B": Shape(36, 4096, 12288, 4096, 1024, 151_665),
}
"""By the end of the model's name."""

Basis = Literal["measured", "scaled", "assumed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is to be embedded and searched."""

    documents: float
    tokens: float
    """Of a document, in the mean, with its end token."""
    dimension: int
    machines: int | None = None
    within_hours: float | None = None
    """Hours that it may take; decides how many machines there are if ``machines`` does not."""
    model: str | None = None
    """None for the models that were measured."""

    def __post_init__(self) -> None:
        for name in ("documents", "tokens", "dimension", "machines", "within_hours"):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise InputError(f"{name} must be above 0, not {value}")
        if self.machines is not None and self.within_hours is not None:
            raise InputError("give the number of machines or the hours, not both")


@dataclass(frozen=True, slots=True, kw_only=True)
class AssumedRate:
    """An engine that nobody measured here."""

    name: str
    tokens_per_second: float
    price: float | None = None

    @classmethod
    def parse(cls, text: str) -> "AssumedRate":
        """From ``NAME=TOKENS_PER_SECOND`` or ``NAME=TOKENS_PER_SECOND@PRICE``."""
        name, _, numbers = text.partition("=")
        rate, _, price = numbers.partition("@")
        try:
            found = cls(name=name, tokens_per_second=float(rate), price=float(price) if price else None)
        except ValueError:
            raise InputError(
                f"{text!r} is no rate; write NAME=TOKENS_PER_SECOND or NAME=TOKENS@PRICE"
            ) from None
        if not name or not 0 < found.tokens_per_second < math.inf:
            raise InputError(f"{text!r} is no rate: it needs a name and tokens a second above 0")
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class EnginePlan:
    """What the embedding takes with one engine."""

    engine: str
    model: str
    basis: Basis
    note: str
    """What the basis leaves open, in words; empty if nothing."""
    documents_per_second: float
    """Of one machine."""
    machine_hours: float
    machines: int
    hours: float
    memory_bytes: float | None
    """Of one machine."""
    cost: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StoragePlan:
    """What the vectors and the index take."""

    vector_bytes: float
    text_bytes: float
    index_bytes: float
    """All shards and copies."""
    shards: int
    shard_bytes: float
    search_memory_bytes: float
    """Of all shards."""


def plan_engines(
    job: Job, rates: Sequence[Rate], assumed: Sequence[AssumedRate], assumptions: Assumptions
) -> list[EnginePlan]:
    """One plan for each engine, the cheapest first. Raises InputError where there is nothing to plan from."""
    plans = [_measured(job, rate, assumptions) for rate in _for_model(job, rates)]
    plans += [_assumed(job, rate, assumptions) for rate in assumed]
    if not plans:
        raise InputError("there is no rate to plan from; run `quiver calibrate`, or give one with --rate")
    return sorted(plans, key=lambda plan: plan.cost)


def plan_storage(job: Job, assumptions: Assumptions) -> StoragePlan:
    """Disk and memory of what comes out."""
    vectors = job.documents * job.dimension * assumptions.bytes_of_number
    texts = job.documents * job.tokens * assumptions.bytes_of_token
    index = (vectors + texts) * assumptions.index_overhead
    shards = math.ceil(job.documents / assumptions.vectors_of_shard)
    return StoragePlan(
        vector_bytes=vectors,
        text_bytes=texts,
        index_bytes=index * assumptions.copies,
        shards=shards,
        shard_bytes=index / shards,
        search_memory_bytes=job.documents * job.dimension * assumptions.memory_of_number * assumptions.copies,
    )


def shape_of(model: str) -> Shape | None:
    """The shape of a published model by its name; None for others."""
    return next((shape for size, shape in PUBLISHED.items() if model.lower().endswith(size.lower())), None)


def _for_model(job: Job, rates: Sequence[Rate]) -> list[Rate]:
    """Rates of the job's model; of an engine that never ran it, those that can be scaled to it."""
    if job.model is None:
        return list(rates)
    measured = [rate for rate in rates if rate.model == job.model]
    known = {(rate.engine, rate.precision, rate.machine) for rate in measured}
    wanted = shape_of(job.model)
    others: dict[tuple[str, str, str], Rate] = {}
    for rate in rates:
        key = (rate.engine, rate.precision, rate.machine)
        if key in known or rate.shape is None or wanted is None:
            continue
        rival = others.get(key)
        if rival is None or _distance(rate, wanted) < _distance(rival, wanted):
            others[key] = rate
    return measured + list(others.values())


def _distance(rate: Rate, wanted: Shape) -> float:
    assert rate.shape is not None
    return abs(math.log(rate.shape.operations(1) / wanted.operations(1)))


def _measured(job: Job, rate: Rate, assumptions: Assumptions) -> EnginePlan:
    seconds, memory, start = rate.seconds_of_text(job.tokens), float(rate.memory_bytes), rate.start_seconds
    notes, basis, model = [], "measured", rate.model
    wanted = None if job.model in (None, rate.model) else shape_of(str(job.model))
    if wanted is not None and rate.shape is not None:
        factor = wanted.operations(job.tokens) / rate.shape.operations(job.tokens)
        size = SIZE_OF_NUMBER.get(rate.precision.partition("+")[0], 4.0)
        seconds *= factor
        start *= max(1.0, wanted.weights / rate.shape.weights)
        memory += size * (wanted.weights - rate.shape.weights)
        basis, model = "scaled", str(job.model)
        notes.append(f"by operations, {factor:.2g} times those of {rate.model}")
    shortest, longest = rate.lengths
    if not shortest <= job.tokens <= longest:
        notes.append(f"measured with {shortest:,.0f} to {longest:,.0f} tokens only")
    machines, hours = _machines(job, job.documents * seconds, start, assumptions)
    return EnginePlan(
        engine=f"{rate.engine}, {rate.precision}; {rate.machine}",
        model=model,
        basis="scaled" if basis == "scaled" else "measured",
        note="; ".join(notes),
        documents_per_second=1 / seconds,
        machine_hours=machines * hours,
        machines=machines,
        hours=hours,
        memory_bytes=max(memory, 0.0),
        cost=machines * hours * assumptions.price,
    )


def _assumed(job: Job, rate: AssumedRate, assumptions: Assumptions) -> EnginePlan:
    seconds = job.tokens / rate.tokens_per_second
    machines, hours = _machines(job, job.documents * seconds, 0.0, assumptions)
    price = assumptions.price if rate.price is None else rate.price
    return EnginePlan(
        engine=rate.name,
        model=job.model or "",
        basis="assumed",
        note=f"{rate.tokens_per_second:,.0f} tokens a second, at {price:g} an hour",
        documents_per_second=1 / seconds,
        machine_hours=machines * hours,
        machines=machines,
        hours=hours,
        memory_bytes=None,
        cost=machines * hours * price,
    )


def _machines(job: Job, seconds: float, start: float, assumptions: Assumptions) -> tuple[int, float]:
    """Machines, and the hours that all are busy; raises InputError if the hours are too few to start."""
    machines = job.machines or 1
    if job.within_hours is not None:
        left = 3600 * job.within_hours - start
        if left <= 0:
            raise InputError(
                f"opening the model alone takes {start:.0f} s; allow more than {job.within_hours} hours"
            )
        machines = 1 if seconds <= left else math.ceil(seconds / (left * assumptions.efficiency))
    efficiency = 1.0 if machines == 1 else assumptions.efficiency
    return machines, (start + seconds / (machines * efficiency)) / 3600

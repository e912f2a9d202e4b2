"""Sections: the questions that a report of runs answers, each by a figure and its numbers."""

from collections.abc import Iterator, Sequence

from quiver.evaluate.report.by_type import by_type
from quiver.evaluate.report.charts import Axis, DotChart, Figure, Point, PointChart, Series
from quiver.evaluate.report.page import Page, Section
from quiver.evaluate.report.runs import Run, Runs, shared_sets
from quiver.evaluate.report.tables import Cell, Column, Table
from quiver.evaluate.results import Result
from quiver.evaluate.scores import TaskScore, interval, paired_interval

SCORE = ".4f"
FLOAT_BYTES = 4
MEAN_SCORE = "mean score"


def report(runs: Runs, *, title: str = "Evaluation") -> Page:
    """A page about runs: means, then types, languages, dimension, precision and cost as far as they vary."""
    sets, types = len(runs.sets), len(runs.types)
    figures = (_by_type(runs), _by_language(runs), _by_dimension(runs), _by_precision(runs), _by_cost(runs))
    sections = [
        Section(title="The runs", tables=[_overview(runs)]),
        *(section for section in figures if section is not None),
        Section(title="Every set", tables=list(_every_set(runs))),
        *([] if (sure := _uncertainty(runs)) is None else [Section(title="How sure", tables=[sure])]),
    ]
    words = f"{_counted(len(runs.runs), 'run')} on {_counted(sets, 'set')} of {_counted(types, 'type')}."
    rule = "A mean is over all sets of its kind; a run that lacks one of them has no mean there."
    return Page(title=title, words=[words, rule], sections=sections)


def _overview(runs: Runs) -> Table:
    kinds = runs.types
    rows: list[list[Cell]] = []
    for run in runs.runs:
        means = [run.score(sets) for sets in kinds.values()]
        known = [mean for mean in means if mean is not None]
        overall = sum(known) / len(known) if len(known) == len(means) else None
        dimension = None if run.dimension is None else float(run.dimension)
        rows.append([runs.named(run), run.precision, dimension, overall, *means])
    return Table(
        "Means",
        [
            Column("run"),
            Column("precision"),
            Column("dimension", ".0f"),
            Column("all types", SCORE),
            *(Column(_kind(kind), SCORE) for kind in kinds),
        ],
        rows,
        "“All types” is the mean of the types' means.",
    )


def _by_type(runs: Runs) -> Section | None:
    if len(runs.types) < 2:
        return None
    values = {_kind(kind): [run.score(sets) for run in _whole(runs)] for kind, sets in runs.types.items()}
    caption = (
        "Each mark is the mean over the sets of a type. Types have metrics of their own: compare runs on "
    )
    return Section(
        title="By type of task",
        figures=[_dots(runs, "Mean score by type of task", "type", values, f"{caption}one line, not lines.")],
    )


def _by_language(runs: Runs) -> Section | None:
    sets: dict[str, list[str]] = {}
    for name, result in runs.sets.items():
        for language in result.languages:
            sets.setdefault(language, []).append(name)
    if len(sets) < 2:
        return None
    values = {
        language: [_language_score(run, language, names) for run in _whole(runs)]
        for language, names in sets.items()
    }
    caption = "Each mark is the mean over the sets in a language; a set in two languages counts for both. "
    caption += "Languages have sets of their own: compare runs on one line, not lines."
    return Section(
        title="By language",
        figures=[_dots(runs, "Mean score by language", "language", values, caption)],
    )


def _language_score(run: Run, language: str, sets: Sequence[str]) -> float | None:
    if not all(name in run.results for name in sets):
        return None
    return _mean([_in_language(run.results[name], language) for name in sets])


def _in_language(result: Result, language: str) -> float:
    """A set's score; of bitext, over the directions that have the language in them."""
    own = [
        score
        for name, score in result.scores.items()
        if name.endswith(f"-{language}") or name.startswith(f"{result.metric} {language}-")
    ]
    return _mean(own) if result.type == "bitext" and own else result.score


def _by_dimension(runs: Runs) -> Section | None:
    models: dict[str, list[Run]] = {}
    for run in runs.runs:
        if run.dimension is not None:
            models.setdefault(_without_dimension(run), []).append(run)
    models = {name: own for name, own in models.items() if len({run.dimension for run in own}) > 1}
    shared = shared_sets([run for own in models.values() for run in own])
    if not shared:
        return None
    curves: list[Series] = []
    rows: list[list[Cell]] = []
    for name, own in models.items():
        ordered = sorted(own, key=lambda run: run.dimension or 0)
        points = [Point(run.dimension or 0, run.score(shared) or 0.0) for run in ordered]
        curves.append(Series(name, points))
        rows += [[name, p.x, FLOAT_BYTES * p.x, p.y, p.y / (points[-1].y or 1.0)] for p in reversed(points)]
    ticks = sorted({point.x for curve in curves for point in curve.points})
    columns = [Column("model"), Column("dimension", ".0f"), Column("bytes a vector", ".0f")]
    columns += [Column(MEAN_SCORE, SCORE), Column("of the longest", ".1%")]
    figure = Figure(
        title="Quality of vectors cut to fewer values (Matryoshka)",
        chart=PointChart(
            Axis("values a vector", logarithmic=True, form=".0f", ticks=ticks), _score(), curves
        ),
        caption=f"Mean over the {_counted(len(shared), 'set')} that all these runs have. An index grows with "
        "the number of values.",
        table=Table("Quality and size by dimension", columns, rows),
    )
    return Section(title="Dimension", figures=[figure])


def _by_precision(runs: Runs) -> Section | None:
    systems: dict[str, list[Run]] = {}
    for run in runs.runs:
        if run.precision is not None:
            systems.setdefault(run.system, []).append(run)
    systems = {name: own for name, own in systems.items() if len({run.precision for run in own}) > 1}
    shared = shared_sets([run for own in systems.values() for run in own])
    if not shared:
        return None
    formats = list(dict.fromkeys(run.precision or "" for own in systems.values() for run in own))
    series = []
    for name, own in systems.items():
        scores = {run.precision: run.score(shared) for run in own}
        series.append((name, [scores.get(each) for each in formats]))
    figure = Figure(
        title="Precision against quality",
        chart=DotChart(_score(), "precision", formats, series),
        caption=f"Mean over the {_counted(len(shared), 'set')} that all these runs have.",
        table=Table(
            "Mean score by precision",
            [Column("system"), *(Column(each, SCORE) for each in formats)],
            [[name, *values] for name, values in series],
        ),
    )
    return Section(title="Precision", figures=[figure])


def _by_cost(runs: Runs) -> Section | None:
    whole = _whole(runs)
    shared = shared_sets(whole)
    seconds = {run.name: sum(run.results[name].seconds for name in shared) for run in whole}
    if len(whole) < 2 or not shared or min(seconds.values()) <= 0:
        return None
    places = [(run, seconds[run.name], run.score(shared) or 0.0) for run in whole]
    figure = Figure(
        title="Cost against quality",
        chart=PointChart(
            Axis("seconds for all sets", logarithmic=True),
            _score(),
            [Series(runs.named(run), [Point(cost, score)]) for run, cost, score in places],
            joined=False,
        ),
        caption=f"Embedding, scoring and reranking of the {_counted(len(shared), 'set')} that "
        "all these runs have, as timed by the run itself; times compare only if they were taken on the "
        "same idle machine.",
        table=Table(
            "Time and quality",
            [Column("run"), Column("seconds", ".1f"), Column(MEAN_SCORE, SCORE)],
            [[runs.named(run), cost, score] for run, cost, score in places],
        ),
    )
    return Section(title="Cost", figures=[figure])


def _every_set(runs: Runs) -> Iterator[Table]:
    """A table for each type, with the means at the end."""
    marks = [runs.mark(run) for run in runs.runs]
    columns = [Column("set"), Column("metric"), *(Column(mark, SCORE) for mark in marks)]
    for kind, sets in runs.types.items():
        rows = by_type(list(_marked(runs, sets)))
        cells = [[row.name, row.metric, *(row.scores.get(mark) for mark in marks)] for row in rows]
        cells[-1][0] = "mean"
        cells[-1][1] = ""
        yield Table(_kind(kind), columns, cells)


def _uncertainty(runs: Runs) -> Table | None:
    """Where scores and their changes lie, for sets whose queries have scores of their own."""
    rows: list[list[Cell]] = []
    for name in runs.sets:
        own = [(run, run.results[name]) for run in runs.runs if name in run.results]
        first = own[0][1]
        for run, result in own:
            around = interval([_as_task(result)], result.type)
            if around is None:
                continue
            change = None if result is first else paired_interval(_as_task(first), _as_task(result))
            changed = (None, None, None) if change is None else (change.mean, change.low, change.high)
            rows.append([name, runs.mark(run), result.score, around.low, around.high, *changed])
    if not rows:
        return None
    columns = [
        Column("set"),
        Column("run"),
        Column("score", SCORE),
        Column("from", SCORE),
        Column("to", SCORE),
    ]
    columns += [Column("change", "+.4f"), Column("from", "+.4f"), Column("to", "+.4f")]
    note = "95 % of resamples of the queries; changes are against the set's first run, over the same queries."
    return Table("Scores and changes, were the queries drawn again", columns, rows, note)


def _as_task(result: Result) -> TaskScore:
    queries = {"": result.by_query} if result.by_query else {}
    return TaskScore(task=result.set, type=result.type, score=result.score, by_query=queries)


def _marked(runs: Runs, sets: Sequence[str]) -> Iterator[Result]:
    """The results of these sets, each known by the number of its run."""
    from dataclasses import replace

    for name in sets:
        for run in runs.runs:
            if name in run.results:
                yield replace(run.results[name], system=runs.mark(run))


def _dots(runs: Runs, title: str, kind: str, values: dict[str, list[float | None]], caption: str) -> Figure:
    """A line for each category, and under it the same numbers."""
    whole = _whole(runs)
    series = [
        (runs.named(run), [values[category][place] for category in values]) for place, run in enumerate(whole)
    ]
    columns = [Column(kind), *(Column(runs.mark(run), SCORE) for run in whole)]
    return Figure(
        title=title,
        chart=DotChart(_score(), kind, list(values), series),
        caption=caption,
        table=Table(title, columns, [[category, *row] for category, row in values.items()]),
    )


def _whole(runs: Runs) -> list[Run]:
    """Those whose vectors are not cut: a cut costs its model's time, and has a figure of its own."""
    return [run for run in runs.runs if run.model == run.system] or list(runs.runs)


def _without_dimension(run: Run) -> str:
    """The model, with what the run's name says beyond its system."""
    return run.model + run.name.removeprefix(run.system)


def _score() -> Axis:
    return Axis(MEAN_SCORE, least_span=0.05)


def _kind(kind: str) -> str:
    return kind.replace("_", " ")


def _mean(numbers: Sequence[float]) -> float:
    return sum(numbers) / len(numbers)


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"

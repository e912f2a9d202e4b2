"""Charts: what a figure shows."""

from collections.abc import Sequence
from dataclasses import dataclass

from quiver.evaluate.report.tables import Table


@dataclass(frozen=True, slots=True)
class Axis:
    """One direction of a chart."""

    title: str
    """With the unit."""
    logarithmic: bool = False
    form: str = ""
    """How the numbers at its ticks are written; empty writes as many digits as their distance needs."""
    ticks: Sequence[float] = ()
    """Where to put them; empty leaves it to the layout."""
    least_span: float = 0.0
    """From one end to the other at least, so that trifles look like trifles."""


@dataclass(frozen=True, slots=True)
class Point:
    """One mark; ``low`` and ``high`` are the ends of its interval."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Series:
    """Marks of one colour and shape."""

    name: str
    points: Sequence[Point]


@dataclass(frozen=True, slots=True)
class PointChart:
    """Points in two directions, joined by lines or not."""

    x: Axis
    y: Axis
    series: Sequence[Series]
    joined: bool = True
    diagonal: bool = False
    """Draw the line on which y equals x."""


@dataclass(frozen=True, slots=True)
class DotChart:
    """For each category a line, with the mark of each series on it."""

    x: Axis
    y_title: str
    categories: Sequence[str]
    series: Sequence[tuple[str, Sequence[float | None]]]
    """Name, and a value for each category or None."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A chart with all that it takes to be understood."""

    title: str
    chart: PointChart | DotChart
    caption: str
    """What to see in it, in a sentence or two."""
    table: Table
    """Its numbers."""

    @property
    def alt(self) -> str:
        """What is in the picture, for those who do not see it; the numbers are in the table."""
        chart = self.chart
        if isinstance(chart, DotChart):
            names = ", ".join(name for name, _ in chart.series)
            return (
                f"Dot plot of {chart.x.title} by {chart.y_title} ({', '.join(chart.categories)}) for {names}."
            )
        names = ", ".join(series.name for series in chart.series)
        kind = "Line chart" if chart.joined else "Scatter plot"
        return f"{kind} of {chart.y.title} against {chart.x.title} for {names}."

    @property
    def names(self) -> list[str]:
        """The series, in the order of their colours."""
        chart = self.chart
        if isinstance(chart, DotChart):
            return [name for name, _ in chart.series]
        return [series.name for series in chart.series]

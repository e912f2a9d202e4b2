"""Layout: charts to lines, marks and words at places on the paper, for the template to draw.

The paper is 480 wide; a page shows it at most that wide, so that words stay readable on a phone.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field

from quiver.evaluate.report.charts import DotChart, Point, PointChart, Series
from quiver.evaluate.report.scales import Scale, make_scale

WIDTH = 480
HEIGHT = 320
"""Of charts with two scales."""
LETTER = 7.6
"""About the width of a letter."""
WIDEST_LABEL = 200
COLOURS, SHAPES = 8, 6
"""Neither divides the other: 24 series differ."""
TOP, RIGHT, BOTTOM = 16, 18, 52


@dataclass(frozen=True, slots=True)
class Line:
    """A straight line: ``grid``, ``axis``, ``interval`` or ``diagonal``."""

    kind: str
    x1: float
    y1: float
    x2: float
    y2: float
    colour: int | None = None


@dataclass(frozen=True, slots=True)
class Word:
    """A text: ``tick``, ``label`` or ``title``; ``whole`` is what was shortened."""

    kind: str
    x: float
    y: float
    text: str
    anchor: str = "middle"
    upright: bool = False
    whole: str = ""


@dataclass(frozen=True, slots=True)
class Mark:
    """A point's mark, with the words that a pointer over it shows."""

    x: float
    y: float
    colour: int
    shape: int
    tip: str


@dataclass(frozen=True, slots=True)
class Curve:
    """The points of one series, joined."""

    colour: int
    points: str


@dataclass(slots=True)
class Drawing:
    """All that a chart consists of."""

    height: float
    width: float = WIDTH
    lines: list[Line] = field(default_factory=list)
    words: list[Word] = field(default_factory=list)
    curves: list[Curve] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)


def draw(chart: PointChart | DotChart) -> Drawing:
    """Lay out a chart."""
    return _draw_dots(chart) if isinstance(chart, DotChart) else _draw_points(chart)


def _draw_points(chart: PointChart) -> Drawing:
    points = [point for series in chart.series for point in series.points]
    heights = [
        height for point in points for height in (point.y, point.low, point.high) if height is not None
    ]
    y = make_scale(chart.y, heights, HEIGHT - BOTTOM, TOP)
    left = 34 + max(_width(y.text(tick)) for tick in y.ticks)
    x = make_scale(chart.x, [point.x for point in points], left + 8, WIDTH - RIGHT)
    drawing = Drawing(HEIGHT)
    _draw_horizontal_axis(drawing, x, TOP, HEIGHT - BOTTOM)
    for tick in y.ticks:
        place = y.place(tick)
        drawing.lines.append(Line("grid", left, place, WIDTH - RIGHT, place))
        drawing.words.append(Word("tick", left - 8, place + 4, y.text(tick), "end"))
    drawing.words.append(Word("title", 18, (TOP + HEIGHT - BOTTOM) / 2, chart.y.title, upright=True))
    if chart.diagonal:
        low, high = max(x.low, y.low), min(x.high, y.high)
        drawing.lines.append(Line("diagonal", x.place(low), y.place(low), x.place(high), y.place(high)))
    for number, series in enumerate(chart.series):
        _draw_series(drawing, number, series, x, y, joined=chart.joined)
    return drawing


def _draw_series(drawing: Drawing, number: int, series: Series, x: Scale, y: Scale, *, joined: bool) -> None:
    colour = number % COLOURS
    places = [(x.place(point.x), y.place(point.y)) for point in series.points]
    if joined and len(places) > 1:
        drawing.curves.append(Curve(colour, " ".join(f"{across:.1f},{down:.1f}" for across, down in places)))
    for (across, down), point in zip(places, series.points, strict=True):
        if point.low is not None and point.high is not None:
            ends = y.place(point.low), y.place(point.high)
            drawing.lines.append(Line("interval", across, ends[0], across, ends[1], colour))
        drawing.marks.append(Mark(across, down, colour, number % SHAPES, _tip(series.name, point, x, y)))


def _tip(name: str, point: Point, x: Scale, y: Scale) -> str:
    return f"{name}: {y.axis.title} {point.y:.4g}, {x.axis.title} {point.x:.4g}"


def _draw_dots(chart: DotChart) -> Drawing:
    left = 40 + min(WIDEST_LABEL, max(_width(category) for category in chart.categories))
    lane = min(12.0, 40 / len(chart.series))
    row = 16 + lane * len(chart.series)
    bottom = TOP + row * len(chart.categories)
    values = [value for _, own in chart.series for value in own if value is not None]
    x = make_scale(chart.x, values, left + 8, WIDTH - RIGHT)
    drawing = Drawing(bottom + BOTTOM)
    _draw_horizontal_axis(drawing, x, TOP, bottom)
    drawing.words.append(Word("title", 18, (TOP + bottom) / 2, chart.y_title, upright=True))
    for place, category in enumerate(chart.categories):
        middle = TOP + row * (place + 0.5)
        short = _shortened(category)
        drawing.words.append(Word("label", left - 6, middle + 4, short, "end", whole=category))
        drawing.lines.append(Line("grid", left, middle + row / 2, WIDTH - RIGHT, middle + row / 2))
        for number, (name, own) in enumerate(chart.series):
            value = own[place]
            if value is not None:
                down = middle + lane * (number - (len(chart.series) - 1) / 2)
                tip = f"{name}, {category}: {value:.4g}"
                drawing.marks.append(Mark(x.place(value), down, number % COLOURS, number % SHAPES, tip))
    return drawing


def _draw_horizontal_axis(drawing: Drawing, x: Scale, top: float, bottom: float) -> None:
    free_from = -1.0
    for tick in x.ticks:
        place, half = x.place(tick), _width(x.text(tick)) / 2
        drawing.lines.append(Line("grid", place, top, place, bottom))
        if place - half > free_from:
            drawing.words.append(Word("tick", min(place, WIDTH - half), bottom + 18, x.text(tick)))
            free_from = place + half + 4
    drawing.lines.append(Line("axis", x.start, bottom, x.end, bottom))
    drawing.words.append(Word("title", (x.start + x.end) / 2, bottom + 42, x.axis.title))


def _shortened(text: str) -> str:
    """As much of a text as a label has room for."""
    if _width(text) <= WIDEST_LABEL:
        return text
    kept = text
    while kept and _width(kept) > WIDEST_LABEL - LETTER:
        kept = kept[:-1]
    return f"{kept}…"


def _width(text: str) -> float:
    """About how wide a text is; letters of East Asia are twice as wide."""
    return sum(LETTER * (1.8 if unicodedata.east_asian_width(mark) in "WF" else 1) for mark in text)


def swatches(names: Sequence[str]) -> list[Mark]:
    """The marks of the series beside their names, at the origin."""
    return [Mark(0, 0, number % COLOURS, number % SHAPES, name) for number, name in enumerate(names)]

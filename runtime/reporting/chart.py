"""A line chart as numbers for an SVG template: paths, ticks, and a description in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

WIDTH, HEIGHT = 420, 260
LEFT, RIGHT, TOP, BOTTOM = 48, 404, 12, 222
MOST_POINTS = 400
_MOST_DOTS = 40
_MOST_STEPS = 5  # between the marks of an axis


@dataclass(frozen=True)
class Line:
    """One line of a chart.

    Attributes:
        label: its text in the legend.
        style: the CSS class of its colour.
        points: (x, y), sorted by x; y is None for NaN.
        stepped: whether a value holds until the next one.
        dots: whether each point has a dot, if there are few.
    """

    label: str
    style: str
    points: tuple[tuple[float, float | None], ...]
    stepped: bool = False
    dots: bool = True


@dataclass(frozen=True)
class Tick:
    """A mark on an axis: its position in the units of the drawing, and its text."""

    place: float
    text: str


@dataclass(frozen=True)
class DrawnLine:
    """A line of the drawing: the data of an SVG path, and the positions of its dots."""

    label: str
    style: str
    path: str
    dots: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Chart:
    """A drawing of WIDTH by HEIGHT units.

    Attributes:
        title: the name of the y axis.
        x_title: the name of the x axis.
        description: the lines in words.
        lines: in drawing order.
        x_ticks: marks along the x axis.
        y_ticks: marks along the y axis.
    """

    title: str
    x_title: str
    description: str
    lines: tuple[DrawnLine, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]


def draw_chart(title: str, x_title: str, lines: Sequence[Line], form: str, logarithmic: bool = False) -> Chart | None:
    """A chart of these lines; None if no point has a number.

    Args:
        title: the name of the y axis.
        x_title: the name of the x axis.
        lines: later lines are drawn over earlier ones.
        form: the format of a value, as for `format`.
        logarithmic: whether the y axis is logarithmic, without values of zero. Otherwise it starts at zero.
    """
    lines = [_drawable(line, logarithmic) for line in lines]
    values = [y for line in lines for _, y in line.points if y is not None]
    if not values:
        return None
    end = max(x for line in lines for x, _ in line.points)
    x_marks = [mark for mark in _marks(end, least=1) if mark <= end]
    y_marks = _decades(min(values), max(values)) if logarithmic else _marks(max(values))
    height = math.log10 if logarithmic else float

    def place_x(x: float) -> float:
        return round(LEFT + (RIGHT - LEFT) * x / end, 1)

    def place_y(y: float) -> float:
        low, high = height(y_marks[0]), height(y_marks[-1])
        return round(BOTTOM - (BOTTOM - TOP) * (height(y) - low) / (high - low), 1)

    drawn = []
    for line in lines:
        places = [(place_x(x), None if y is None else place_y(y)) for x, y in line.points]
        dots = tuple((x, y) for x, y in places if y is not None) if line.dots and len(places) <= _MOST_DOTS else ()
        drawn.append(DrawnLine(line.label, line.style, _path(places, line.stepped), dots))
    return Chart(
        title,
        x_title,
        f"{title} against {x_title}. {' '.join(_in_words(line, form) for line in lines)}".strip(),
        tuple(drawn),
        tuple(Tick(place_x(x), f"{x:,.0f}") for x in x_marks),
        tuple(Tick(place_y(y), _tick_text(y, y_marks, form)) for y in y_marks),
    )


def thinned(points: Sequence[tuple[float, float | None]]) -> tuple[tuple[float, float | None], ...]:
    """At most MOST_POINTS points; more are averaged in groups of neighbours of equal size, except the last."""
    size = -(-len(points) // MOST_POINTS)
    if size <= 1:
        return tuple(points)
    means = []
    for start in range(0, len(points), size):
        part = points[start : start + size]
        numbers = [y for _, y in part if y is not None]
        means.append((sum(x for x, _ in part) / len(part), sum(numbers) / len(numbers) if numbers else None))
    return tuple(means)


def _drawable(line: Line, logarithmic: bool) -> Line:
    points = tuple((x, None if y is None or (logarithmic and y <= 0) else y) for x, y in line.points)
    return Line(line.label, line.style, points, line.stepped, line.dots)


def _path(places: Sequence[tuple[float, float | None]], stepped: bool) -> str:
    """The data of an SVG path, with a gap where a point has no number."""
    parts: list[str] = []
    before: float | None = None
    for x, y in places:
        if y is None:
            before = None
            continue
        if before is None:
            parts.append(f"M{x:g} {y:g}")
        elif stepped and y != before:
            parts.append(f"H{x:g}V{y:g}")
        else:
            parts.append(f"L{x:g} {y:g}")
        before = y
    return "".join(parts)


def _marks(high: float, least: float = 0) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten, of `least` or more, from zero to `high` or above: at most six."""
    high = max(high, least) or 1
    exponent = math.floor(math.log10(high)) - 1
    step = next(
        step
        for step in (float(f"{digit}e{power}") for power in range(exponent, exponent + 3) for digit in (1, 2, 5))
        if step > 0 and step >= least and math.ceil(high / step) <= _MOST_STEPS
    )
    return [place * step for place in range(math.ceil(high / step) + 1)]


def _decades(low: float, high: float) -> list[float]:
    """Powers of ten from below `low` to above `high`, at most about six of them."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    if first == last:
        first, last = first - 1, last + 1
    every = -(-(last - first) // 6)
    exponents = range(first, last + every, every)
    return [10.0**exponent for exponent in exponents]


def _tick_text(value: float, marks: Sequence[float], form: str) -> str:
    """The value in this format; a percentage gets enough decimals to distinguish the marks."""
    if not form.endswith("%"):
        return format(value, form)
    decimals = max(0, math.ceil(-math.log10(marks[1] - marks[0])) - 2)
    return format(value, f".{decimals}%")


def _in_words(line: Line, form: str) -> str:
    numbers = [y for _, y in line.points if y is not None]
    if not numbers:
        return ""
    turns = sum((a < b) != (b < c) for (a, b), (b, c) in pairwise(pairwise(numbers)))
    middle = f", between {min(numbers):{form}} and {max(numbers):{form}}" if turns else ""
    return f"{line.label}: from {numbers[0]:{form}} to {numbers[-1]:{form}}{middle}."

"""The elements of a drawing: lines, faces and texts, in groups. Coordinates are in pixels; y grows downwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from .text_width import ASCENT, DESCENT, text_width


class Point(NamedTuple):
    """A position in the drawing."""

    x: float
    y: float


class Box(NamedTuple):
    """An upright rectangle."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def middle(self) -> Point:
        """The centre."""
        return Point((self.left + self.right) / 2, (self.top + self.bottom) / 2)


@dataclass(frozen=True)
class Face:
    """A filled polygon; `look` is its class in the style sheet."""

    corners: tuple[Point, ...]
    look: str

    @cached_property
    def box(self) -> Box:
        """The smallest rectangle around it."""
        return around(self.corners)


@dataclass(frozen=True)
class Line:
    """A line through points; `look` is its class in the style sheet."""

    points: tuple[Point, ...]
    look: str

    @cached_property
    def box(self) -> Box:
        """The smallest rectangle around it."""
        return around(self.points)


@dataclass(frozen=True)
class Curve:
    """A line through points that is vertical at each of them, with an S-shaped bend between two points."""

    points: tuple[Point, ...]
    look: str

    @cached_property
    def box(self) -> Box:
        """The smallest rectangle around it."""
        return around(self.points)


@dataclass(frozen=True)
class Text:
    """A line of text; `at` is the left end, the middle or the right end of its baseline, depending on `anchor`."""

    at: Point
    words: str
    look: str
    size: float = 11
    anchor: str = "middle"

    @cached_property
    def box(self) -> Box:
        """A rectangle that contains the text in any font."""
        width = text_width(self.words, self.size)
        left = self.at.x - {"start": 0, "middle": width / 2, "end": width}[self.anchor]
        return Box(left, self.at.y - ASCENT * self.size, left + width, self.at.y + DESCENT * self.size)


Element = Face | Line | Curve | Text


@dataclass(frozen=True)
class Group:
    """Elements that belong together.

    Attributes:
        title: what a screen reader reads.
        elements: the elements.
        name: the name of the first layer that they stand for, or "".
        layers: the names of all layers that they stand for.
    """

    title: str
    elements: tuple[Element, ...]
    name: str = ""
    layers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Drawing:
    """A whole drawing. A screen reader reads `title` and `description`; `box` contains all groups and a margin."""

    title: str
    description: str
    groups: tuple[Group, ...]
    box: Box

    @property
    def size(self) -> tuple[float, float]:
        """Width and height."""
        return self.box.right - self.box.left, self.box.bottom - self.box.top


def around(points: Sequence[Point]) -> Box:
    """The smallest rectangle that contains all points."""
    return Box(
        min(point.x for point in points),
        min(point.y for point in points),
        max(point.x for point in points),
        max(point.y for point in points),
    )


def overlap(first: Box, second: Box) -> bool:
    """Whether two rectangles overlap or touch."""
    across = first.left <= second.right and second.left <= first.right
    return across and first.top <= second.bottom and second.top <= first.bottom


def box_of(elements: Sequence[Element]) -> Box:
    """The smallest rectangle that contains all elements."""
    boxes = [element.box for element in elements]
    return around([point for box in boxes for point in (Point(box.left, box.top), Point(box.right, box.bottom))])

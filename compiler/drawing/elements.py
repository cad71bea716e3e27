"""What a picture is made of: lines, faces and texts, in groups, in pixels; y grows downwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from .text_width import ASCENT, DESCENT, text_width


class Point(NamedTuple):
    """A place in the picture."""

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
        """Its centre."""
        return Point((self.left + self.right) / 2, (self.top + self.bottom) / 2)


@dataclass(frozen=True)
class Face:
    """A filled outline with straight sides; `look` is its class in the style sheet."""

    corners: tuple[Point, ...]
    look: str

    @property
    def box(self) -> Box:
        """The rectangle around it."""
        return around(self.corners)


@dataclass(frozen=True)
class Line:
    """A line through points; `look` is its class in the style sheet."""

    points: tuple[Point, ...]
    look: str

    @property
    def box(self) -> Box:
        """The rectangle around it."""
        return around(self.points)


@dataclass(frozen=True)
class Curve:
    """A line through points that is upright at each of them; from one to the next it bends like an S."""

    points: tuple[Point, ...]
    look: str

    @property
    def box(self) -> Box:
        """The rectangle around it."""
        return around(self.points)


@dataclass(frozen=True)
class Text:
    """A line of text; `at` is the left end, middle or right end of its base line, as `anchor` says."""

    at: Point
    words: str
    look: str
    size: float = 11
    anchor: str = "middle"

    @property
    def box(self) -> Box:
        """A rectangle that surely holds it."""
        width = text_width(self.words, self.size)
        left = self.at.x - {"start": 0, "middle": width / 2, "end": width}[self.anchor]
        return Box(left, self.at.y - ASCENT * self.size, left + width, self.at.y + DESCENT * self.size)


Element = Face | Line | Curve | Text


@dataclass(frozen=True)
class Group:
    """The elements of one thing. `title` is what is read aloud of it; `name` that of its layer, "" where it is none."""

    title: str
    elements: tuple[Element, ...]
    name: str = ""


@dataclass(frozen=True)
class Drawing:
    """A whole picture: `title` and `description` are read aloud; `box` holds all that is drawn."""

    title: str
    description: str
    groups: tuple[Group, ...]
    box: Box

    @property
    def size(self) -> tuple[float, float]:
        """Width and height."""
        return self.box.right - self.box.left, self.box.bottom - self.box.top


def around(points: Sequence[Point]) -> Box:
    """The smallest rectangle that holds all points."""
    return Box(
        min(point.x for point in points),
        min(point.y for point in points),
        max(point.x for point in points),
        max(point.y for point in points),
    )


def box_of(elements: Sequence[Element]) -> Box:
    """The smallest rectangle that holds all elements."""
    boxes = [element.box for element in elements]
    return around([point for box in boxes for point in (Point(box.left, box.top), Point(box.right, box.bottom))])

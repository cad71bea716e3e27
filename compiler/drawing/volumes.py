"""Volumes in perspective: channels go to the right, height upwards, width away from the reader, to the upper left.

The projection is oblique, as in the paper's figure. Sides of maps, channels and units each have a scale of their own,
so that a side of 6 is seen beside one of 227: the length drawn grows with a power of the number, below 1. The largest
side of a network's maps is as long in each picture; what has more channels, or units, than another is always longer.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product

from ..layers.kind import Shape
from .elements import Face, Point

_LONGEST_SIDE, _SIDE_POWER = 190.0, 0.62
_LONGEST_DEPTH, _DEPTH_UNIT = 110.0, 3.9  # pixels: in all, and for one channel
_LONGEST_BAR, _BAR_UNIT = 190.0, 2.9
_SHORTEST = 3.0
_BAR_THICKNESS = 9.0
_AWAY_X, _AWAY_Y = -0.36, -0.28  # of a pixel that goes away from the reader


@dataclass(frozen=True)
class Scale:
    """How long the sides of a network's volumes are drawn; made for its largest numbers."""

    side: int
    channels: int
    units: int

    @classmethod
    def of(cls, shapes: Iterable[Shape]) -> Scale:
        """The scale for all of these shapes."""
        shapes = list(shapes)
        maps = [shape for shape in shapes if len(shape.sizes) > 1]
        vectors = [shape.channels for shape in shapes if len(shape.sizes) == 1]
        sides = [side for shape in maps for side in shape.sizes[1:]]
        return cls(max(sides, default=1), max((shape.channels for shape in maps), default=1), max(vectors, default=1))

    def volume(self, shape: Shape, left: float, middle: float) -> Volume:
        """The volume of a shape; `left` is the far left of its outline, `middle` half the height of its near side."""
        if len(shape.sizes) == 1:
            height = max(_SHORTEST, min(_BAR_UNIT, _LONGEST_BAR / self.units**0.5) * shape.channels**0.5)
            across, away = _BAR_THICKNESS, _BAR_THICKNESS
        else:
            height, away = (self._side(size) for size in shape.sizes[1:])
            across = max(_SHORTEST, min(_DEPTH_UNIT, _LONGEST_DEPTH / self.channels**0.5) * shape.channels**0.5)
        return Volume(Point(left - _AWAY_X * away, middle + (height - _AWAY_Y * away) / 2), across, height, away)

    def _side(self, size: int) -> float:
        return max(_SHORTEST, _LONGEST_SIDE * float((size / self.side) ** _SIDE_POWER))


@dataclass(frozen=True)
class Volume:
    """A box: `corner` is its lower left one nearest to the reader; `across`, `height` and `away` its sides."""

    corner: Point
    across: float
    height: float
    away: float

    def at(self, across: float, up: float, away: float) -> Point:
        """A place in it, by its share of each side."""
        return Point(
            self.corner.x + across * self.across + away * self.away * _AWAY_X,
            self.corner.y - up * self.height + away * self.away * _AWAY_Y,
        )

    @property
    def left(self) -> float:
        """The far left of its outline."""
        return self.at(0, 0, 1).x

    @property
    def right(self) -> float:
        """The right of its outline."""
        return self.at(1, 0, 0).x

    @property
    def top(self) -> float:
        """The top of its outline; its bottom is that of `corner`."""
        return self.at(0, 1, 1).y

    def faces(self, look: str) -> tuple[Face, ...]:
        """The three that are seen: the map, the top, the near side."""
        sides = (
            [(0, 0, 0), (0, 1, 0), (0, 1, 1), (0, 0, 1)],
            [(0, 1, 0), (1, 1, 0), (1, 1, 1), (0, 1, 1)],
            [(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0)],
        )
        return tuple(Face(tuple(self.at(*corner) for corner in side), look) for side in sides)

    def part(self, high: float, wide: float, up: float, away: float) -> Volume:
        """A part that goes through all channels: its share of height and width, and the place of its middle."""
        high, wide = max(high, _SHORTEST / self.height), max(wide, _SHORTEST / self.away)
        up, away = (min(max(middle, size / 2), 1 - size / 2) for middle, size in ((up, high), (away, wide)))
        corner = self.at(0, up - high / 2, away - wide / 2)
        return Volume(corner, self.across, high * self.height, wide * self.away)

    def right_corners(self) -> tuple[Point, ...]:
        """The four of the side where the channels end."""
        return tuple(self.at(1, up, away) for up, away in product((0, 1), (0, 1)))

"""Volumes in oblique projection, as in the paper's Figure 2.

The channels go to the right, the height goes up, and the width goes away from the reader, to the upper left. The sides
of maps, the channels and the units have separate scales. A length is proportional to a power of the number, with an
exponent below 1, so that a side of 6 is still visible beside a side of 227. The largest side of the maps has the same
length in each drawing. A volume with more channels, or units, is always longer.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product

from ..layers.kind import Shape
from .elements import Face, Point

_LONGEST_SIDE, _SIDE_POWER = 190.0, 0.62
_LONGEST_DEPTH, _DEPTH_UNIT = 110.0, 3.9  # pixels: at most, and for one channel
_LONGEST_BAR, _BAR_UNIT = 190.0, 2.9
_SHORTEST = 3.0
_BAR_THICKNESS = 9.0
_AWAY_X, _AWAY_Y = -0.36, -0.28  # the projection of one pixel away from the reader


@dataclass(frozen=True)
class Scale:
    """The scale of a network's volumes: the largest side of its maps, and its largest numbers of channels and units."""

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
        """The volume of a shape; `left` is the left of its outline, `middle` is half the height of its front side."""
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
    """A box: `corner` is its lower left front corner; `across`, `height` and `away` are the lengths of its sides."""

    corner: Point
    across: float
    height: float
    away: float

    def at(self, across: float, up: float, away: float) -> Point:
        """The point at these shares of the three sides, from 0 to 1."""
        return Point(
            self.corner.x + across * self.across + away * self.away * _AWAY_X,
            self.corner.y - up * self.height + away * self.away * _AWAY_Y,
        )

    @property
    def left(self) -> float:
        """The left of its outline."""
        return self.at(0, 0, 1).x

    @property
    def right(self) -> float:
        """The right of its outline."""
        return self.at(1, 0, 0).x

    @property
    def top(self) -> float:
        """The top of its outline; the bottom is at `corner`."""
        return self.at(0, 1, 1).y

    def faces(self, look: str) -> tuple[Face, ...]:
        """The three visible faces: the map, the top and the front."""
        sides = (
            [(0, 0, 0), (0, 1, 0), (0, 1, 1), (0, 0, 1)],
            [(0, 1, 0), (1, 1, 0), (1, 1, 1), (0, 1, 1)],
            [(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0)],
        )
        return tuple(Face(tuple(self.at(*corner) for corner in side), look) for side in sides)

    def part(self, high: float, wide: float, up: float, away: float) -> Volume:
        """A part with all channels: `high` and `wide` are its shares of the sides, `up` and `away` is its middle."""
        high, wide = max(high, _SHORTEST / self.height), max(wide, _SHORTEST / self.away)
        up, away = (min(max(middle, size / 2), 1 - size / 2) for middle, size in ((up, high), (away, wide)))
        corner = self.at(0, up - high / 2, away - wide / 2)
        return Volume(corner, self.across, high * self.height, wide * self.away)

    def right_corners(self) -> tuple[Point, ...]:
        """The four corners of the right face, where the channels end."""
        return tuple(self.at(1, up, away) for up, away in product((0, 1), (0, 1)))

"""Places the numbers at the sides of volumes where no line crosses them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from .elements import Box, Line, Point, Text, overlap
from .stages import Stage
from .text_width import text_width
from .volumes import Volume

_SIZE = 11.0  # of the font
_CLEAR = 1.0  # the least distance between a number and a line


def places_of(stage: Stage, volume: Volume) -> list[list[Text]]:
    """For each number of a volume the places where it can be, the best first.

    Channels or units are below the volume; the height and the width of maps are at its left.
    """
    channels = str(stage.share.channels)
    if len(stage.shape.sizes) == 1:
        return [[Text(Point((volume.left + volume.right) / 2, volume.corner.y + 13), channels, "label", _SIZE)]]
    height, width = map(str, stage.shape.sizes[1:])
    return [_below(channels, volume), _at_the_left(height, volume), _at_the_edge_below(width, volume)]


def room_of(stage: Stage, volume: Volume) -> tuple[float, float]:
    """The room that the numbers need to the left and to the right of a volume."""
    boxes = [places[0].box for places in places_of(stage, volume)]
    left, right = min(box.left for box in boxes), max(box.right for box in boxes)
    return max(0.0, volume.left - left) + 2 * _CLEAR, max(0.0, right - volume.right) + 2 * _CLEAR


def place(numbers: Iterable[Sequence[Text]], lines: Sequence[Line]) -> tuple[list[Text], list[Line]]:
    """A place for each number where it touches no line and no other number, and the lines that are in the way.

    A number without such a place gets its best one; the lines that cross it there are in the way.
    """
    placed: list[Text] = []
    in_the_way: list[Line] = []
    for places in numbers:
        free = (text for text in places if not any(_crossing(lines, text.box)) and not _taken(text.box, placed))
        text = next(free, places[0])
        in_the_way += _crossing(lines, text.box)
        placed.append(text)
    return placed, in_the_way


def _below(words: str, volume: Volume) -> list[Text]:
    near, width = volume.corner, text_width(words, _SIZE)
    fits = width < volume.across
    at = near.x + (volume.across / 2 if fits else 0)
    shifts = (0.0, 6.0, -6.0, 12.0, -12.0) if fits else (0.0, 3.0, 6.0)
    anchor = "middle" if fits else "start"
    return [Text(Point(at + shift, near.y + 13), words, "label", _SIZE, anchor) for shift in shifts]


def _at_the_left(words: str, volume: Volume) -> list[Text]:
    far = volume.at(0, 1, 1)
    lower = [share * volume.height for share in (0.0, 0.15, 0.3, 0.45, 0.6, 0.75, 0.9)]
    downs = [8 + down for down in lower] + [5.0, 2.0, -1.0, -4.0]
    return [Text(Point(far.x - 4, far.y + down), words, "label", _SIZE, "end") for down in downs]


def _at_the_edge_below(words: str, volume: Volume) -> list[Text]:
    edge = [volume.at(0, 0, away) for away in (0.5, 0.65, 0.35, 0.8, 0.2, 1.0)]
    return [
        Text(Point(point.x - 2, point.y + 11 + down), words, "label", _SIZE, "end") for down in (0, 4) for point in edge
    ]


def _taken(box: Box, placed: Sequence[Text]) -> bool:
    return any(overlap(box, text.box) for text in placed)


def _crossing(lines: Sequence[Line], box: Box) -> Iterator[Line]:
    left, top, right, bottom = box
    clear = Box(left - _CLEAR, top - _CLEAR, right + _CLEAR, bottom + _CLEAR)
    return (line for line in lines if overlap(line.box, clear) and _crosses(line, clear))


def _crosses(line: Line, box: Box) -> bool:
    """Whether a part of the line is within the box."""
    return any(_within(start, end, box) for start, end in pairwise(line.points))


def _within(start: Point, end: Point, box: Box) -> bool:
    """Whether a part of a straight line is within the box: clips the line at each side."""
    first, last = 0.0, 1.0
    for begin, step, low, high in (
        (start.x, end.x - start.x, box.left, box.right),
        (start.y, end.y - start.y, box.top, box.bottom),
    ):
        if step == 0:
            if not low < begin < high:
                return False
            continue
        enters, leaves = sorted(((low - begin) / step, (high - begin) / step))
        first, last = max(first, enters), min(last, leaves)
    return first < last

"""The figure of a network without branches: volumes in a row, towers above each other, as in the paper's Figure 2."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from ..layers.reading import tower_reads
from .elements import Element, Group, Line, Point, Text, box_of
from .stages import Stage
from .text_width import text_width
from .volumes import Scale, Volume

MOST_TOWERS = 4  # the most towers that are drawn; a network may have thousands
_ROW_WIDTH, _ROW_HEIGHT = 1200.0, 350.0  # of a typical row
_NAME, _LABEL, _NOTE = 12.0, 11.0, 10.0  # font sizes
_LINE_HEIGHT = 13.0
_GAP, _BETWEEN_WORDS, _BETWEEN_TOWERS, _BETWEEN_ROWS = 40.0, 8.0, 34.0, 34.0
_LABEL_ROOM = 17.0  # below a volume
_WINDOW_UP, _WINDOW_AWAY = 0.3, 0.4  # the middle of a kernel's window, as shares of the maps' sides
_APEX = (0.0, 0.72, 0.45)  # the point of the output volume where the lines from the window meet


@dataclass(frozen=True)
class _Placed:
    """A stage and the volumes of its towers, the upper one first."""

    stage: Stage
    volumes: tuple[Volume, ...]

    @property
    def left(self) -> float:
        return self.volumes[0].left

    @property
    def right(self) -> float:
        return self.volumes[0].right

    @property
    def middle(self) -> float:
        return (self.left + self.right) / 2


def draw_chain(stages: Sequence[Stage], top: float) -> list[Group]:
    """The groups of the figure, one per stage, below `top` and to the right of 0."""
    scale = Scale.of(stage.share for stage in stages)
    pitch = _pitch(stages, scale)
    groups: list[Group] = []
    rows = _rows(stages, scale)
    for number, row in enumerate(rows):
        follows = rows[number + 1][0] if number + 1 < len(rows) else None
        drawn = _draw_row(row, follows, scale, pitch, top)
        top = box_of([element for group in drawn for element in group.elements]).bottom + _BETWEEN_ROWS
        groups += drawn
    return groups


def _draw_row(row: Sequence[Stage], follows: Stage | None, scale: Scale, pitch: float, top: float) -> list[Group]:
    """The groups of a row; `follows` is the first stage of the next row."""
    heading = (1.8 + max(len(stage.caption) for stage in row)) * _LINE_HEIGHT
    lefts = _lefts(row, scale)
    level = [_placed(stage, scale, left, 0, pitch) for stage, left in zip(row, lefts, strict=True)]
    axis = top + heading - min(volume.top for each in level for volume in each.volumes)
    placed = [_placed(stage, scale, left, axis, pitch) for stage, left in zip(row, lefts, strict=True)]
    foot = max(volume.corner.y for each in placed for volume in each.volumes) + _LABEL_ROOM + _NOTE
    groups = []
    for index, each in enumerate(placed):
        elements: list[Element] = [face for volume in each.volumes for face in volume.faces(_look(each.stage))]
        if index:
            elements += _connections(placed[index - 1], each)
            elements += _words(each.stage.between, (placed[index - 1].right + each.left) / 2, foot)
        elif each.stage.name:
            elements += _entry(each)
        if follows is not None and each is placed[-1]:
            elements += _exit(each, follows, foot)
        elements += [label for volume in each.volumes for label in _sizes(each.stage, volume)]
        elements += _caption(each, top)
        groups.append(Group(each.stage.title, tuple(elements), each.stage.name))
    return groups


def _rows(stages: Sequence[Stage], scale: Scale) -> list[list[Stage]]:
    """Split the stages into rows of about equal width; with many rows, the figure is about as wide as it is high."""
    lefts = _lefts(stages, scale)
    rows = max(1, ceil(lefts[-1] / max(_ROW_WIDTH, (_ROW_HEIGHT * lefts[-1]) ** 0.5)))
    filled: list[list[Stage]] = [[] for _ in range(rows)]
    for stage, left in zip(stages, lefts, strict=True):
        filled[min(rows - 1, int(left / max(1.0, lefts[-1]) * rows))].append(stage)
    return [row for row in filled if row]


def _lefts(row: Sequence[Stage], scale: Scale) -> list[float]:
    """The left end of each stage of a row, so that volumes, captions and the words between do not overlap."""
    lefts: list[float] = []
    right = caption_right = words_right = 0.0
    for stage in row:
        width = scale.volume(stage.share, 0, 0).right
        gap = _GAP * (1 if len(stage.shape.sizes) > 1 else 1.6)
        caption, words_width = (
            _caption_width(stage),
            max((text_width(word, _NOTE) for word in stage.between), default=0.0),
        )
        left = max((right + gap if lefts else 0) + _label_width(stage), caption_right + (caption - width) / 2)
        if words_width and lefts:
            left = max(left, 2 * words_right + words_width - right)
            words_right = (right + left + words_width) / 2 + _BETWEEN_WORDS
        lefts.append(left)
        right = left + width
        caption_right = left + (width + caption) / 2 + _BETWEEN_WORDS
    return lefts


def _placed(stage: Stage, scale: Scale, left: float, axis: float, pitch: float) -> _Placed:
    towers = min(stage.towers, MOST_TOWERS)
    middles = [axis + (tower - (towers - 1) / 2) * pitch for tower in range(towers)]
    return _Placed(stage, tuple(scale.volume(stage.share, left, middle) for middle in middles))


def _pitch(stages: Sequence[Stage], scale: Scale) -> float:
    """The vertical distance between two towers."""
    volumes = [scale.volume(stage.share, 0, 0) for stage in stages if stage.towers > 1]
    return max((volume.corner.y - volume.top for volume in volumes), default=0) + _BETWEEN_TOWERS


def _look(stage: Stage) -> str:
    if not stage.name:
        return "image"
    return "units" if len(stage.shape.sizes) == 1 else "maps"


def _connections(source: _Placed, reader: _Placed) -> list[Element]:
    """The connection of a stage with the one before: the window of a kernel and its lines, or lines from end to end."""
    elements: list[Element] = []
    windows = [_window(volume, reader.stage) for volume in source.volumes]
    if reader.stage.window is not None:
        elements += [face for window in windows for face in window.faces("kernel")]
    for tower, volume in enumerate(reader.volumes):
        for other, window in enumerate(windows):
            if len(reader.volumes) != len(windows):
                elements += _lines(window, volume, reader.stage, apart=len(reader.volumes) < len(windows))
            elif tower_reads(reader.stage.reads, source.stage.shape.towers, tower, other):
                elements += _lines(window, volume, reader.stage, apart=tower != other)
    return elements


def _window(volume: Volume, reader: Stage) -> Volume:
    """The part of a volume that one kernel of the reader covers; all of it if the reader has no kernels."""
    return volume if reader.window is None else volume.part(*reader.window, _WINDOW_UP, _WINDOW_AWAY)


def _lines(window: Volume, volume: Volume, reader: Stage, *, apart: bool) -> list[Element]:
    if reader.window is not None:
        corners = window.right_corners()
        look, ends = "reads", [(corner, volume.at(*_APEX)) for corner in (corners[::3] if apart else corners)]
    else:
        look, ends = "flow", [(window.at(1, up, 0), volume.at(0, up, 1)) for up in (0, 1)]
    return [Line(points, "across" if apart else look) for points in ends]


def _entry(each: _Placed) -> list[Element]:
    """The arrows at the start of a row that continues the row above."""
    apexes = [volume.at(*_APEX) for volume in each.volumes]
    return [element for apex in apexes for element in arrow(Point(0, apex.y), apex, "flow")]


def _exit(each: _Placed, follows: Stage, foot: float) -> list[Element]:
    """The lines from the last stage of this row to the first stage of the next row."""
    elements: list[Element] = []
    for volume in each.volumes:
        window = _window(volume, follows)
        end = Point(volume.right + _GAP, volume.at(*_APEX).y)
        elements += window.faces("kernel") if follows.window is not None else ()
        corners = window.right_corners() if follows.window is not None else (window.at(1, 0, 0), window.at(1, 1, 0))
        elements += [Line((corner, end), "reads" if follows.window is not None else "flow") for corner in corners]
    width = max((text_width(word, _NOTE) for word in follows.between), default=0)
    return elements + _words(follows.between, each.right + max(_GAP, width) / 2, foot)


def arrow(start: Point, end: Point, look: str) -> list[Element]:
    """A level line with a head."""
    head = (Point(end.x - 6, end.y - 3.5), end, Point(end.x - 6, end.y + 3.5))
    return [Line((start, end), look), Line(head, look)]


def _sizes(stage: Stage, volume: Volume) -> list[Element]:
    """The numbers at the sides of a volume: channels or units below it, height and width of the maps at its left."""
    near = volume.corner
    channels = str(stage.share.channels)
    if len(stage.shape.sizes) == 1:
        return [Text(Point((volume.left + volume.right) / 2, near.y + 13), channels, "label", _LABEL)]
    height, width = map(str, stage.shape.sizes[1:])
    middle, far = volume.at(0, 0, 0.5), volume.at(0, 1, 1)
    fits = text_width(channels, _LABEL) < volume.across
    at = Point(near.x + (volume.across / 2 if fits else 0), near.y + 13)
    return [
        Text(at, channels, "label", _LABEL, "middle" if fits else "start"),
        Text(Point(far.x - 4, far.y + 8), height, "label", _LABEL, "end"),
        Text(Point(middle.x - 2, middle.y + 11), width, "label", _LABEL, "end"),
    ]


def _caption(each: _Placed, top: float) -> list[Element]:
    elements: list[Element] = [Text(Point(each.middle, top + _NAME), each.stage.name or "image", "name", _NAME)]
    return elements + _words(each.stage.caption, each.middle, top + _NAME + _LINE_HEIGHT)


def _words(lines: Sequence[str], middle: float, first: float) -> list[Element]:
    return [
        Text(Point(middle, first + number * _LINE_HEIGHT), words, "note", _NOTE) for number, words in enumerate(lines)
    ]


def _caption_width(stage: Stage) -> float:
    notes = [text_width(words, _NOTE) for words in stage.caption]
    return max([text_width(stage.name or "image", _NAME), *notes])


def _label_width(stage: Stage) -> float:
    return text_width(str(stage.shape.sizes[1]), _LABEL) + 6 if len(stage.shape.sizes) > 1 else 0

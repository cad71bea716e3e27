"""The figure of a network without branches: volumes in a row, towers above each other, as in the paper's Figure 2."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

from .chain_lines import GAP, Joint, Placed, joints_and_numbers
from .elements import Element, Group, Point, Text, box_of
from .labels import room_of
from .stages import Stage
from .text_width import text_width
from .volumes import Scale

MOST_TOWERS = 4  # the most towers that are drawn; a network may have thousands
_ROW_WIDTH, _ROW_HEIGHT = 1200.0, 350.0  # of a typical row
_NAME, _NOTE = 12.0, 10.0  # font sizes
_LINE_HEIGHT = 13.0
_BETWEEN_WORDS, _BETWEEN_TOWERS, _BETWEEN_ROWS = 8.0, 34.0, 34.0
_LABEL_ROOM = 17.0  # below a volume


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
    joints, numbers = joints_and_numbers(placed, follows)
    groups = []
    for index, (each, texts) in enumerate(zip(placed, numbers, strict=True)):
        elements: list[Element] = [face for volume in each.volumes for face in volume.faces(_look(each.stage))]
        elements += _drawn(joints[index])
        if index:
            elements += _words(each.stage.between, (placed[index - 1].right + each.left) / 2, foot)
        if follows is not None and each is placed[-1]:
            elements += _drawn(joints[-1])
            elements += _words(follows.between, each.right + max(GAP, _width(follows.between)) / 2, foot)
        elements += [*texts, *_caption(each, top)]
        groups.append(Group(each.stage.title, tuple(elements), each.stage.name, each.stage.layers))
    return groups


def _drawn(joint: Joint) -> tuple[Element, ...]:
    return *joint.windows, *joint.lines


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
        gap = GAP * (1 if len(stage.shape.sizes) > 1 else 1.6)
        caption, words_width = _caption_width(stage), _width(stage.between)
        left = max((right + gap if lefts else 0) + _room_left(stage, scale), caption_right + (caption - width) / 2)
        if words_width and lefts:
            left = max(left, 2 * words_right + words_width - right)
            words_right = (right + left + words_width) / 2 + _BETWEEN_WORDS
        lefts.append(left)
        right = left + width
        caption_right = left + (width + caption) / 2 + _BETWEEN_WORDS
    return lefts


def _placed(stage: Stage, scale: Scale, left: float, axis: float, pitch: float) -> Placed:
    towers = min(stage.towers, MOST_TOWERS)
    middles = [axis + (tower - (towers - 1) / 2) * pitch for tower in range(towers)]
    return Placed(stage, tuple(scale.volume(stage.share, left, middle) for middle in middles))


def _pitch(stages: Sequence[Stage], scale: Scale) -> float:
    """The vertical distance between two towers."""
    volumes = [scale.volume(stage.share, 0, 0) for stage in stages if stage.towers > 1]
    return max((volume.corner.y - volume.top for volume in volumes), default=0) + _BETWEEN_TOWERS


def _look(stage: Stage) -> str:
    if not stage.name:
        return "image"
    return "units" if len(stage.shape.sizes) == 1 else "maps"


def _caption(each: Placed, top: float) -> list[Element]:
    elements: list[Element] = [Text(Point(each.middle, top + _NAME), each.stage.name or "image", "name", _NAME)]
    return elements + _words(each.stage.caption, each.middle, top + _NAME + _LINE_HEIGHT)


def _words(lines: Sequence[str], middle: float, first: float) -> list[Element]:
    return [
        Text(Point(middle, first + number * _LINE_HEIGHT), words, "note", _NOTE) for number, words in enumerate(lines)
    ]


def _caption_width(stage: Stage) -> float:
    return max(text_width(stage.name or "image", _NAME), _width(stage.caption))


def _width(lines: Sequence[str]) -> float:
    return max((text_width(words, _NOTE) for words in lines), default=0.0)


def _room_left(stage: Stage, scale: Scale) -> float:
    """The room for the numbers to the left of a volume of maps."""
    return room_of(stage, scale.volume(stage.share, 0, 0))[0] if len(stage.shape.sizes) > 1 else 0

"""The figure of a network with branches: boxes in layers, from top to bottom; a long network has several columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from ..layers.kind import Join
from .blocks import Block, Repeat, fold
from .columns import columns_of
from .elements import Box, Curve, Element, Face, Group, Line, Point, Text
from .layer_layout import Item, arrange
from .text_width import text_width

_NAME, _NOTE, _LABEL, _TIMES = 11.0, 10.0, 10.0, 15.0  # font sizes
_LINE_HEIGHT, _PADDING = 13.0, 8.0
_BETWEEN = 20.0  # the room between two boxes of a layer
_PASSING = 8.0  # the room on both sides of a line that passes a layer
_LABEL_STRIP, _ARROW_STRIP = 19.0, 13.0  # below and above a layer: vertical lines, with shapes beside them
_LEAST_BEND, _MOST_BEND = 8.0, 70.0  # the height between the strips, where lines bend
_PORT_DISTANCE = 14.0  # between lines that enter the same box
_COLUMN_HEIGHT = 1250.0
_CORRIDOR = 26.0  # the room on both sides of the line from the end of a column to the start of the next one
_FRAME = 9.0  # the room between a frame and the boxes in it


def draw_graph(blocks: Sequence[Block], top: float) -> list[Group]:
    """The groups of the figure, below `top` and to the right of 0: the lines, the frames of repeats, the blocks."""
    kept, repeats = fold(blocks)
    return _Figure(kept, repeats).groups(top)


@dataclass(frozen=True)
class _Row:
    """A layer with its position; the bottom of each box is at `bottom`."""

    items: list[Item]
    top: float
    bottom: float


class _Figure:
    """Draws blocks, column by column."""

    def __init__(self, blocks: Sequence[Block], repeats: Sequence[Repeat]) -> None:
        self._blocks = blocks
        self._repeats = repeats
        self._sizes = [_size(block) for block in blocks]
        self._read = {read for block in blocks for read in block.reads}
        self._lines: list[Element] = []
        self._frames: list[Group] = []
        self._boxes: dict[int, Group] = {}

    def groups(self, top: float) -> list[Group]:
        """All groups."""
        gap = _LABEL_STRIP + 2 * _LEAST_BEND + _ARROW_STRIP
        columns = columns_of(self._blocks, self._room, [height + gap for _, height in self._sizes], _COLUMN_HEIGHT)
        left = 0.0
        before: list[_Row] = []
        for layers in columns:
            arrange(layers)
            start = min(item.x - item.before for layer in layers for item in layer)
            for item in (item for layer in layers for item in layer):
                item.x += left - start
            rows = self._rows(layers, top)
            for above, row in pairwise(rows):
                self._draw_lines(above, row)
            for row in rows:
                self._draw_boxes(row)
            if before:
                self._lead(before[-1], rows[0], left - _CORRIDOR)
            left = self._draw_frames(rows) + 2 * _CORRIDOR
            before = rows
        return [Group("", tuple(self._lines)), *self._frames, *(self._boxes[index] for index in sorted(self._boxes))]

    def _room(self, index: int, passes: bool) -> tuple[float, float]:
        if passes:
            return _PASSING, _PASSING
        half = self._sizes[index][0] / 2
        label = 5 + text_width(_shape(self._blocks[index]), _LABEL)
        return half + _BETWEEN / 2, max(half, label) + _BETWEEN / 2

    def _height(self, item: Item) -> float:
        return 0.0 if item.passes else self._sizes[item.source][1]

    def _rows(self, layers: Sequence[list[Item]], top: float) -> list[_Row]:
        rows: list[_Row] = []
        for layer in layers:
            bends = [abs(port - read.x) for item in layer for read, port in zip(*self._ports(item), strict=True)]
            if rows:
                bend = min(_MOST_BEND, _LEAST_BEND + 0.16 * max(bends))
                top = rows[-1].bottom + _LABEL_STRIP + bend + _ARROW_STRIP
            rows.append(_Row(layer, top, top + max(map(self._height, layer))))
        return rows

    def _ports(self, item: Item) -> tuple[list[Item], list[float]]:
        """The items that an item reads, from left to right, and the x coordinate where each line enters it."""
        reads = sorted(item.reads, key=lambda read: read.x)
        if item.passes:
            return reads, [item.x for _ in reads]
        apart = min(_PORT_DISTANCE, (self._sizes[item.source][0] - 2 * _PADDING) / max(1, len(reads)))
        return reads, [item.x + (number - (len(reads) - 1) / 2) * apart for number in range(len(reads))]

    def _draw_lines(self, above: _Row, row: _Row) -> None:
        """The lines from a layer to the one below."""
        for item in row.items:
            end = row.bottom - self._height(item)
            for read, port in zip(*self._ports(item), strict=True):
                bends = (above.bottom + _LABEL_STRIP, row.top - _ARROW_STRIP)
                points = (
                    Point(read.x, above.bottom),
                    Point(read.x, bends[0]),
                    Point(port, bends[1]),
                    Point(port, end),
                )
                self._lines.append(Curve(points, "flow"))
                if not item.passes:
                    self._lines.append(_head(Point(port, end)))

    def _draw_boxes(self, row: _Row) -> None:
        """The boxes of a layer with their texts, and the shapes below them."""
        for item in row.items:
            block = self._blocks[item.source]
            at = Point(item.x + 5, row.bottom + 13)
            if item.passes:
                if not item.reads:
                    self._lines.append(Text(at, _shape(block), "label", _LABEL, "start"))
                continue
            width, height = self._sizes[item.source]
            box = Box(item.x - width / 2, row.bottom - height, item.x + width / 2, row.bottom)
            elements: list[Element] = [Face(_corners(box), _look(block))]
            first = box.top + _PADDING + 0.75 * _NAME
            elements.append(Text(Point(item.x, first), block.name or "image", "name", _NAME))
            elements += [
                Text(Point(item.x, first + (number + 1) * _LINE_HEIGHT), words, "note", _NOTE)
                for number, words in enumerate(block.notes)
            ]
            elements.append(Text(at, _shape(block), "label", _LABEL, "start"))
            if item.source not in self._read:
                end = Point(item.x, row.bottom + _LABEL_STRIP)
                elements += [Line((Point(item.x, row.bottom), end), "flow"), _head(end)]
            self._boxes[item.source] = Group(block.title, tuple(elements), block.name, block.layers)

    def _lead(self, foot: _Row, head: _Row, corridor: float) -> None:
        """The line from the end of a column to the start of the next one."""
        (entry,) = head.items
        start = next(item for item in foot.items if item.source == entry.source)
        low, high = foot.bottom + _LABEL_STRIP + 8, head.top - 4
        turns = [(start.x, foot.bottom), (start.x, low), (corridor, low), (corridor, high), (entry.x, high)]
        self._lines.append(Line((*(Point(*turn) for turn in turns), Point(entry.x, head.bottom)), "flow"))

    def _draw_frames(self, rows: Sequence[_Row]) -> float:
        """The frames around repeats; returns the right end of the column."""
        right = max(item.x + item.after for row in rows for item in row.items)
        for repeat in self._repeats:
            framed = [
                row for row in rows if any(not item.passes and item.source in repeat.blocks for item in row.items)
            ]
            if not framed:
                continue
            items = [item for row in framed for item in row.items]
            box = Box(
                min(item.x - item.before for item in items) + _BETWEEN / 2 - _FRAME,
                framed[0].top - _FRAME,
                max(item.x + item.after for item in items) - _BETWEEN / 2 + _FRAME,
                framed[-1].bottom + _LABEL_STRIP,
            )
            corners = _corners(box)
            texts = (
                Text(Point(box.right + 6, box.middle.y), f"{repeat.times}×", "name", _TIMES, "start"),
                Text(Point(box.right + 6, box.middle.y + _LINE_HEIGHT), f"to {repeat.last}", "note", _NOTE, "start"),
            )
            self._frames.append(Group("", (Line((*corners, corners[0]), "frame"), *texts)))
            right = max(right, *(text.box.right for text in texts))
        return right


def _size(block: Block) -> tuple[float, float]:
    """Width and height of a block's box."""
    notes = [text_width(note, _NOTE) for note in block.notes]
    width = max([text_width(block.name or "image", _NAME), *notes]) + 2 * _PADDING
    return width, len(block.notes) * _LINE_HEIGHT + _NAME + 2 * _PADDING


def _shape(block: Block) -> str:
    return "×".join(map(str, block.output.sizes))


def _look(block: Block) -> str:
    if not block.kinds:
        return "image"
    if isinstance(block.kinds[0], Join):
        return "join"
    if not block.neurons:
        return "plain"
    return "maps" if len(block.output.sizes) > 1 else "units"


def _corners(box: Box) -> tuple[Point, Point, Point, Point]:
    left, top, right, bottom = box
    return Point(left, top), Point(right, top), Point(right, bottom), Point(left, bottom)


def _head(tip: Point) -> Line:
    """The head of an arrow that points down."""
    return Line((Point(tip.x - 3.5, tip.y - 6), tip, Point(tip.x + 3.5, tip.y - 6)), "flow")

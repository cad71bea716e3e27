"""Arranges the blocks of a network in layers, and the layers in columns."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from itertools import accumulate
from math import ceil

from .blocks import Block, cuts_of, levels_of
from .layer_layout import Item

_COLUMN_WIDTH = 400.0  # of a usual column, in pixels

# (index of a block, whether only a line passes) -> the room that it needs to the left and to the right of its middle
Measure = Callable[[int, bool], tuple[float, float]]


def columns_of(
    blocks: Sequence[Block], measure: Measure, heights: Sequence[float], tallest: float
) -> list[list[list[Item]]]:
    """The items of each layer of each column.

    A column ends at a level below which only a single block is read. The next column starts with an item for it.

    Args:
        blocks: the blocks.
        measure: the room that an item needs.
        heights: the height of each block, with the gap below it.
        tallest: the largest height of a column; a larger one is allowed if the drawing would be wider than high.
    """
    levels = levels_of(blocks)
    cuts = cuts_of(blocks, levels)
    layers = _layers(blocks, levels, measure)
    layer_heights = [max(heights[item.source] for item in layer if not item.passes) for layer in layers]
    columns: list[list[list[Item]]] = [[]]
    breaks = _breaks(layer_heights, cuts, tallest)
    for level, layer in enumerate(layers):
        if level - 1 in breaks:
            source = cuts[level - 1]
            entry = Item(source, True, *measure(source, False), [])
            for item in layer:
                item.reads = [entry for _ in item.reads]
            columns.append([[entry]])
        columns[-1].append(layer)
    return columns


def _breaks(heights: Sequence[float], cuts: Collection[int], tallest: float) -> set[int]:
    """The levels that end a column: the cuts nearest to the ends of columns of equal height."""
    ends = list(accumulate(heights))
    columns = ceil(ends[-1] / max(tallest, (_COLUMN_WIDTH * ends[-1]) ** 0.5))
    return {
        min(cuts, key=lambda level: abs(ends[level] - ends[-1] * number / columns))
        for number in range(1, columns)
        if cuts
    }


def _layers(blocks: Sequence[Block], levels: Sequence[int], measure: Measure) -> list[list[Item]]:
    """An item for each block, and one in each layer that its output passes before it reaches a reader."""
    layers: list[list[Item]] = [[] for _ in range(max(levels) + 1)]
    carriers: list[list[Item]] = []  # for each block: its item, then the lines in the layers below
    for index, block in enumerate(blocks):
        reads = [
            _carrier(carriers[read], levels[index] - levels[read] - 1, layers, levels[read], measure)
            for read in block.reads
        ]
        item = Item(index, False, *measure(index, False), reads)
        layers[levels[index]].append(item)
        carriers.append([item])
    return layers


def _carrier(carriers: list[Item], below: int, layers: Sequence[list[Item]], level: int, measure: Measure) -> Item:
    """The item `below` layers below a block where its output passes; adds the missing items on the way."""
    while len(carriers) <= below:
        above = carriers[-1]
        passing = Item(above.source, True, *measure(above.source, True), [above])
        layers[level + len(carriers)].append(passing)
        carriers.append(passing)
    return carriers[below]

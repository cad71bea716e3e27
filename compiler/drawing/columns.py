"""The blocks of a network in layers, and the layers in columns."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from itertools import accumulate
from math import ceil

from .blocks import Block, cuts_of, levels_of
from .layer_layout import Item

_COLUMN_WIDTH = 400.0  # of a usual column, in pixels

Measure = Callable[[int, bool], tuple[float, float]]  # of a block, or a line that passes: the room left and right of it


def columns_of(
    blocks: Sequence[Block], measure: Measure, heights: Sequence[float], tallest: float
) -> list[list[list[Item]]]:
    """Items in layers in columns.

    A network is cut where a single block is read below. Each column after the first begins with an item for that block.

    Args:
        blocks: the blocks.
        measure: how much room an item needs.
        heights: how high each block is, with what lies below it.
        tallest: how high a column should be at most, unless the picture would then be wider than high.
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
    """The levels that end a column: the cuts nearest to where columns of one height would end."""
    ends = list(accumulate(heights))
    columns = ceil(ends[-1] / max(tallest, (_COLUMN_WIDTH * ends[-1]) ** 0.5))
    return {
        min(cuts, key=lambda level: abs(ends[level] - ends[-1] * number / columns))
        for number in range(1, columns)
        if cuts
    }


def _layers(blocks: Sequence[Block], levels: Sequence[int], measure: Measure) -> list[list[Item]]:
    """An item for each block, and one in each layer that its output passes on the way to a reader."""
    layers: list[list[Item]] = [[] for _ in range(max(levels) + 1)]
    carriers: list[list[Item]] = []  # of each block: the item in its layer, then those in the layers below
    for place, block in enumerate(blocks):
        reads = [
            _carrier(carriers[read], levels[place] - levels[read] - 1, layers, levels[read], measure)
            for read in block.reads
        ]
        item = Item(place, False, *measure(place, False), reads)
        layers[levels[place]].append(item)
        carriers.append([item])
    return layers


def _carrier(carriers: list[Item], below: int, layers: Sequence[list[Item]], level: int, measure: Measure) -> Item:
    """The item so many layers below a block where its output passes; those on the way there are made where missing."""
    while len(carriers) <= below:
        above = carriers[-1]
        passing = Item(above.source, True, *measure(above.source, True), [above])
        layers[level + len(carriers)].append(passing)
        carriers.append(passing)
    return carriers[below]

"""Positions for the items of a layered graph: their order in each layer, and their x coordinates.

An item reads items of the layer above it. A line that goes down more than one layer has an item in each layer that it
passes. The method is that of Sugiyama: sweeps down and up that move each item to the mean of its neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

_SWEEPS = 8
_NEARLY_ABOVE = 24.0  # pixels; a line with a smaller shift becomes vertical


@dataclass
class Item:
    """A block in a layer, or a line that passes the layer.

    Attributes:
        source: the index of the block, or of the block whose output passes.
        passes: whether the item is a line.
        before, after: the room that it needs to the left and to the right of its middle, in pixels.
        reads: the items of the layer above that it reads, in order.
        x: its middle.
    """

    source: int
    passes: bool
    before: float
    after: float
    reads: list[Item]
    x: float = 0.0


def arrange(layers: Sequence[list[Item]]) -> None:
    """Order the items of each layer so that few lines cross, and set their x coordinates."""
    readers = _readers(layers)
    for layer in layers:
        _pack(layer)
    for sweep in range(_SWEEPS):
        downwards = sweep % 2 == 0
        for layer in layers[1:] if downwards else layers[-2::-1]:
            layer.sort(key=lambda item: _mean(item.reads if downwards else readers[id(item)], item))
            _pack(layer)
    for sweep in range(2 * _SWEEPS):
        downwards = sweep % 2 == 0
        for layer in layers[1:] if downwards else layers[-2::-1]:
            wanted = [_mean(item.reads if downwards else readers[id(item)], item) for item in layer]
            _move(layer, wanted)
    for layer in layers[1:]:
        _move(layer, [_straightened(item) for item in layer])


def _readers(layers: Sequence[list[Item]]) -> dict[int, list[Item]]:
    readers: dict[int, list[Item]] = {id(item): [] for layer in layers for item in layer}
    for layer in layers:
        for item in layer:
            for read in item.reads:
                readers[id(read)].append(item)
    return readers


def _mean(neighbours: Sequence[Item], item: Item) -> float:
    return sum(each.x for each in neighbours) / len(neighbours) if neighbours else item.x


def _straightened(item: Item) -> float:
    """The x coordinate that makes the line to the only input vertical, if that is nearly above the item."""
    above = item.reads[0].x if len(item.reads) == 1 else item.x
    return above if abs(above - item.x) < _NEARLY_ABOVE else item.x


def _pack(layer: Sequence[Item]) -> None:
    """Place the items side by side, centred at 0."""
    width = sum(item.before + item.after for item in layer)
    right = -width / 2
    for item in layer:
        item.x = right + item.before
        right = item.x + item.after


def _move(layer: Sequence[Item], wanted: Sequence[float]) -> None:
    """Move the items as near to the wanted positions as their order and room allow.

    This minimises the sum of squared distances; the algorithm is "pool adjacent violators".
    """
    offsets = [0.0]
    for left, right in pairwise(layer):
        offsets.append(offsets[-1] + left.after + right.before)
    pools: list[tuple[float, int]] = []  # the sum and the number of the positions in a pool; all items take the mean
    for position, offset in zip(wanted, offsets, strict=True):
        total, count = position - offset, 1
        while pools and pools[-1][0] / pools[-1][1] > total / count:
            before, number = pools.pop()
            total, count = total + before, count + number
        pools.append((total, count))
    starts = [total / count for total, count in pools for _ in range(count)]
    for item, start, offset in zip(layer, starts, offsets, strict=True):
        item.x = start + offset

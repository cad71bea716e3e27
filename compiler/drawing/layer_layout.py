"""Where the items of a layered graph stand: their order in each layer, and how far to the right.

An item reads items of the layer above it; what reaches further down passes through items of its own in between.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

_SWEEPS = 8
_NEARLY = 24.0  # pixels


@dataclass
class Item:
    """Something that takes up room in a layer.

    Attributes:
        source: the place of the block that it is, or whose output passes here.
        passes: whether it only lets the output of `source` pass.
        before, after: how much room it needs to the left and to the right of its middle.
        reads: the items of the layer above that it is connected with, in the order in which it reads them.
        x: its middle.
    """

    source: int
    passes: bool
    before: float
    after: float
    reads: list[Item]
    x: float = 0.0


def arrange(layers: Sequence[list[Item]]) -> None:
    """Order the items of each layer so that few lines cross, and give them their places."""
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
            wished = [_mean(item.reads if downwards else readers[id(item)], item) for item in layer]
            _settle(layer, wished)
    for layer in layers[1:]:
        _settle(layer, [_straight(item) for item in layer])


def _readers(layers: Sequence[list[Item]]) -> dict[int, list[Item]]:
    readers: dict[int, list[Item]] = {id(item): [] for layer in layers for item in layer}
    for layer in layers:
        for item in layer:
            for read in item.reads:
                readers[id(read)].append(item)
    return readers


def _mean(neighbours: Sequence[Item], item: Item) -> float:
    return sum(each.x for each in neighbours) / len(neighbours) if neighbours else item.x


def _straight(item: Item) -> float:
    """Where a line to the item from a single one that stands nearly above it is upright."""
    above = item.reads[0].x if len(item.reads) == 1 else item.x
    return above if abs(above - item.x) < _NEARLY else item.x


def _pack(layer: Sequence[Item]) -> None:
    """Side by side, around 0."""
    width = sum(item.before + item.after for item in layer)
    right = -width / 2
    for item in layer:
        item.x = right + item.before
        right = item.x + item.after


def _settle(layer: Sequence[Item], wished: Sequence[float]) -> None:
    """As near to the wished places as order and room allow, by the sum of squares (pool adjacent violators)."""
    offsets = [0.0]
    for left, right in pairwise(layer):
        offsets.append(offsets[-1] + left.after + right.before)
    pools: list[tuple[float, int]] = []  # the sum and the number of wishes that are met by their mean
    for wish, offset in zip(wished, offsets, strict=True):
        total, count = wish - offset, 1
        while pools and pools[-1][0] / pools[-1][1] > total / count:
            before, number = pools.pop()
            total, count = total + before, count + number
        pools.append((total, count))
    settled = [total / count for total, count in pools for _ in range(count)]
    for item, start, offset in zip(layer, settled, offsets, strict=True):
        item.x = start + offset

"""What Caffe's layers compute, written down from their definitions, value by value: the oracle of imported networks."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Maps = NDArray[np.float64]  # (channels, height, width)


def rates(
    policy: str, base: float, count: int, gamma: float = 0, power: float = 0, size: int = 0, values: Sequence[int] = ()
) -> list[float]:
    """The learning rates of `count` iterations; `size` is `stepsize`, `values` are the `stepvalue`s.

    `multistep` takes at most one step in an iteration, in the order of the values.
    """
    made: list[float] = []
    taken = 0
    for iteration in range(count):
        if taken < len(values) and iteration >= values[taken]:
            taken += 1
        match policy:
            case "step":
                factor = gamma ** (iteration // size)
            case "multistep":
                factor = gamma**taken
            case "exp":
                factor = gamma**iteration
            case "inv":
                factor = (1 + gamma * iteration) ** -power
            case "poly":
                factor = (1 - iteration / count) ** power
            case _:
                factor = 1.0
        made.append(base * factor)
    return made


def pooled_size(size: int, window: int, stride: int, pad: int) -> int:
    """How many windows there are: rounded up; with padding, a last one that starts beyond the maps left out."""
    count = math.ceil((size + 2 * pad - window) / stride) + 1
    if pad and (count - 1) * stride >= size + pad:
        count -= 1
    return count


def pooled(maps: Maps, window: int, stride: int, pad: int, mean: bool) -> Maps:
    """The largest value, or the mean, of every window.

    A window ends at the far end of the padding; the mean counts what lies in the padding as zeros.
    """
    channels, height, width = maps.shape
    high, wide = (pooled_size(size, window, stride, pad) for size in (height, width))
    made = np.empty((channels, high, wide))
    for row in range(high):
        for column in range(wide):
            top, left = row * stride - pad, column * stride - pad
            bottom, right = min(top + window, height + pad), min(left + window, width + pad)
            count = (bottom - top) * (right - left)
            inside = maps[:, max(top, 0) : min(bottom, height), max(left, 0) : min(right, width)]
            made[:, row, column] = inside.sum((1, 2)) / count if mean else inside.max((1, 2))
    return made


def normalised(maps: Maps, size: int, alpha: float, beta: float, k: float, within: bool) -> Maps:
    """Local response normalisation: alpha over the number of neighbours, in maps or within a map."""
    half = (size - 1) // 2
    made = np.empty_like(maps)
    for place in np.ndindex(maps.shape):
        channel, row, column = place
        if within:
            near = maps[channel, max(row - half, 0) : row + half + 1, max(column - half, 0) : column + half + 1]
            scale = 1 + alpha / size**2 * (near**2).sum()
        else:
            scale = k + alpha / size * (maps[max(channel - half, 0) : channel + half + 1, row, column] ** 2).sum()
        made[place] = maps[place] / scale**beta
    return made


def batch_normalised(maps: Maps, mean: Maps, variance: Maps, eps: float, weight: Maps, bias: Maps) -> Maps:
    """A BatchNorm by given statistics, and the Scale behind it; one number a channel each."""
    shape = (-1, 1, 1)
    whitened = (maps - mean.reshape(shape)) / np.sqrt(variance.reshape(shape) + eps)
    return np.asarray(whitened * weight.reshape(shape) + bias.reshape(shape))

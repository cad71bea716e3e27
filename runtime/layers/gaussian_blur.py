"""Gaussian blur of each map, as cuda-convnet2's layer `blur` (Krizhevsky 2014)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor


def gaussian_blur(x: Tensor, size: int, std: float) -> Tensor:
    """Blur each map with weights exp(-d^2 / (2 std^2)) at the distances d, of sum 1.

    Places outside the map count as zero. The window is separable: first along the rows,
    then along the columns.

    Args:
        x: (N, C, H, W).
        size: the places of the window in each direction, an odd number.
        std: the standard deviation, in places.
    """
    around = size // 2
    distances = range(-around, size - around)
    weights = [math.exp(-(distance**2) / (2 * std**2)) for distance in distances]
    weights = [weight / sum(weights) for weight in weights]
    rows = _weighted_sum(F.pad(x, (around, around, 0, 0)), weights, 3)
    return _weighted_sum(F.pad(rows, (0, 0, around, around)), weights, 2)


def _weighted_sum(x: Tensor, weights: Sequence[float], dimension: int) -> Tensor:
    """The weighted sum of each window, which makes the dimension shorter."""
    count = x.shape[dimension] - len(weights) + 1
    total = weights[0] * x.narrow(dimension, 0, count)
    for place, weight in enumerate(weights[1:], 1):
        total = total + weight * x.narrow(dimension, place, count)
    return total

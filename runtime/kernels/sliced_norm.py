"""Local response normalisation from torch's own operations."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def sliced_norm(
    x: Tensor,
    size: int,
    alpha: float,
    beta: float,
    k: float,
    towers: int,
) -> Tensor:
    """Normalise with sums of slices: easy to compile, and with all derivatives."""
    below, above = reach(size, x, towers)
    images, channels, *size_of_map = x.shape
    count = channels // towers
    maps = x.to(wide_type(x)).view(images, towers, count, *size_of_map)
    squares = nn.functional.pad(maps * maps, (0, 0, 0, 0, below, above))
    window = squares[:, :, :count]
    for offset in range(1, below + above + 1):
        window = window + squares[:, :, offset : offset + count]
    # Where the sum overflows float32, a quotient and its gradient are 0;
    # the gradient of a product would be NaN.
    return (maps / torch.pow(k + alpha * window, beta)).flatten(1, 2).to(x.dtype)


def differentiable_gradient(
    gradient: Tensor,
    x: Tensor,
    size: int,
    alpha: float,
    beta: float,
    k: float,
    towers: int,
) -> Tensor:
    """The gradient of `x`, given that of `sliced_norm`, with its own derivatives."""
    y = sliced_norm(x, size, alpha, beta, k, towers)
    (result,) = torch.autograd.grad(y, x, gradient, create_graph=True)
    return result


def reach(size: int, x: Tensor, towers: int) -> tuple[int, int]:
    """The number of maps that a window extends down and up, within a tower."""
    others = x.shape[1] // towers - 1
    return min(size // 2, others), min((size - 1) // 2, others)


def wide_type(x: Tensor) -> torch.dtype:
    """The type in which to normalise: at least float32."""
    return torch.promote_types(x.dtype, torch.float32)

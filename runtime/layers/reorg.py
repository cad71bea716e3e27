"""Feature maps cut into smaller ones, in the order of darknet's layer `reorg`."""

from __future__ import annotations

from torch import Tensor


def reorg(x: Tensor, stride: int) -> Tensor:
    """(N, C, H, W) to (N, C * stride^2, H / stride, W / stride).

    darknet reads its input as C / stride^2 maps of H * stride by W * stride values. It
    takes their values at each of the stride^2 offsets, row by row. What it writes in
    this order is then read as maps of the new size.
    """
    _, channels, height, width = x.shape
    rows = channels * height // stride**2
    values = x.reshape(-1, rows, stride, width, stride).permute(0, 2, 4, 1, 3)
    return values.reshape(-1, channels * stride**2, height // stride, width // stride)

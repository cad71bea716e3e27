"""Every n-th value of each map, as in cuda-convnet's layer `nailbed` (Krizhevsky 2011)."""

from __future__ import annotations

from torch import Tensor


def subsample(x: Tensor, stride: int | tuple[int, int]) -> Tensor:
    """Keep every `stride`-th value of both directions, with equal margins at both ends.

    (N, C, H, W) to (N, C, ceil(H / stride), ceil(W / stride)). If the margins cannot be
    equal, the first is smaller.
    """
    down, right = (stride, stride) if isinstance(stride, int) else stride
    return x[:, :, _first(x.shape[2], down) :: down, _first(x.shape[3], right) :: right]


def _first(size: int, stride: int) -> int:
    """The place of the first value: half of the places that the last one leaves."""
    return (size - (size - 1) // stride * stride) // 2

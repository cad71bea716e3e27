"""Batch normalisation when the images are split over devices: with the statistics of the whole batch."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor, nn

from ..parallel import exchange
from ..parallel.mesh import Axis


class SharedBatchNorm1d(nn.BatchNorm1d):
    """`nn.BatchNorm1d` over the images of all devices; each device has the same number.

    Args:
        num_features: units.
        eps: added to the variance.
        momentum: the weight of a step in the running statistics.
        images: the axes that split the images.
    """

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float = 0.1, *, images: Sequence[Axis]) -> None:
        super().__init__(num_features, eps, momentum)
        self.images = tuple(images)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C) to the same shape."""
        return _normalised(self, x, self.images) if self.training else super().forward(x)


class SharedBatchNorm2d(nn.BatchNorm2d):
    """`nn.BatchNorm2d` over the images of all devices; the arguments are those of `SharedBatchNorm1d`."""

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float = 0.1, *, images: Sequence[Axis]) -> None:
        super().__init__(num_features, eps, momentum)
        self.images = tuple(images)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        return _normalised(self, x, self.images) if self.training else super().forward(x)


def _normalised(layer: nn.BatchNorm1d | nn.BatchNorm2d, x: Tensor, images: Sequence[Axis]) -> Tensor:
    """Computes in float32 if `x` has a smaller type, as torch does: the square of 256 overflows float16."""
    across = [0, *range(2, x.dim())]
    wide = x.to(torch.promote_types(x.dtype, torch.float32))
    variance, mean = torch.var_mean(wide, across, correction=0)
    for axis in reversed(images):
        # (devices, 2, C): the total variance is the mean of the variances plus the variance of the means
        each = exchange.all_gather(torch.stack([mean, variance])[None], axis, dim=0)
        means, variances = each.unbind(1)
        mean = means.mean(0)
        variance = variances.mean(0) + (means - mean).square().mean(0)
    _run_on(layer, mean, variance, x.numel() // x.shape[1] * prod(axis.devices for axis in images))
    scale = layer.weight * torch.rsqrt(variance + layer.eps)
    shift = layer.bias - mean * scale
    one_a_channel = (1, -1, *[1] * (x.dim() - 2))
    return (wide * scale.view(one_a_channel) + shift.view(one_a_channel)).to(x.dtype)


@torch.no_grad()
def _run_on(layer: nn.BatchNorm1d | nn.BatchNorm2d, mean: Tensor, variance: Tensor, count: int) -> None:
    """Update the running statistics as torch does, with the unbiased variance of `count` values."""
    assert layer.running_mean is not None
    assert layer.running_var is not None
    assert layer.num_batches_tracked is not None
    assert layer.momentum is not None
    layer.num_batches_tracked.add_(1)
    layer.running_mean.lerp_(mean, layer.momentum)
    layer.running_var.lerp_(variance * (count / (count - 1)), layer.momentum)

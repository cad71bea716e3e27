"""Dropout (Krizhevsky et al. 2012, section 4.2); its mask is a hash of key and position."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

_LOW_32 = 0xFFFFFFFF


class Dropout(nn.Module):
    """Sets each value to zero with probability `p` in training.

    `scale="test"`, as in the paper: training keeps the other values unchanged, and at
    test time all values are multiplied by 1 - p. `scale="train"`, as in torch: training
    divides the other values by 1 - p, and test time changes nothing.

    Each call draws a new key from torch's generator, so `torch.manual_seed` works as
    usual.
    """

    def __init__(self, p: float, scale: Literal["test", "train"]) -> None:
        super().__init__()
        self.p = p
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        """Shape (N, *) to the same shape."""
        if not self.training:
            return x * (1 - self.p) if self.scale == "test" else x
        kept = self.mask(x).view(self.mask_shape(x))
        y = torch.where(kept, x, torch.zeros((), dtype=x.dtype, device=x.device))
        return y if self.scale == "test" else y / (1 - self.p)

    def mask(self, x: Tensor) -> Tensor:
        """Boolean (images, units): the values to keep."""
        images, *sizes = self.mask_shape(x)
        rows = torch.arange(images, device=x.device)
        columns = torch.arange(math.prod(sizes), device=x.device)
        return hash_mask(torch.randint(2**31, ()), rows, columns, self.p)

    def mask_shape(self, x: Tensor) -> torch.Size:
        """The shape of the mask for `x`: a value of the mask for each value."""
        return x.shape

    def extra_repr(self) -> str:
        """The arguments, for `repr`."""
        return f"p={self.p}, scale={self.scale!r}"


def hash_mask(key: int | Tensor, images: Tensor, units: Tensor, p: float) -> Tensor:
    """Boolean (images, units), true with probability 1 - p.

    It is a hash of the key and of the numbers of the image and of the unit.
    """
    rows = _mix(_mix(images[:, None] + key) + 0x9E3779B9)
    columns = _mix(units[None] + 0x85EBCA6B)
    return _mix(_mix(rows ^ columns)) >= dropped_hashes(p)


def dropped_hashes(p: float) -> int:
    """The number of 32-bit hashes whose values are dropped."""
    return int(p * 2**32)


def _mix(x: Tensor) -> Tensor:
    """A 32-bit integer hash (lowbias32) in int64: the same bits on every device."""
    x = x & _LOW_32
    x = ((x ^ (x >> 16)) * 0x7FEB352D) & _LOW_32
    x = ((x ^ (x >> 15)) * 0x846CA68B) & _LOW_32
    return x ^ (x >> 16)

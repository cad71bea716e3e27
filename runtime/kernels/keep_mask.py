"""The mask of dropout on a GPU, in one pass: the hash of `layers.dropout.keep_mask`, in 32-bit numbers."""

# Triton's language has types of its own.
# pyright: reportArgumentType=false

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

_TILE_VALUES = 1024


def keep_mask_on_gpu(key: Tensor, images: int, units: int, dropped: int, first: tuple[int, int]) -> Tensor:
    """Boolean (images, units): whether the hash of (key, image, unit), counted from `first`, is at least `dropped`.

    Args:
        key: (), int64, on the GPU.
        images: the number of images.
        units: the values of an image.
        dropped: the share of values to drop, times 2^32.
        first: the numbers of the first image and unit.
    """
    kept = torch.empty(images, units, dtype=torch.bool, device=key.device)
    grid = (triton.cdiv(kept.numel(), _TILE_VALUES),)
    _compare_hashes[grid](key, kept, kept.numel(), units, dropped, *first, _TILE_VALUES)
    return kept


@triton.jit
def _compare_hashes(key, kept, count, units, dropped, first_image, first_unit, TILE: tl.constexpr):
    at = tl.program_id(0).to(tl.int64) * TILE + tl.arange(0, TILE)
    row = _mixed((first_image + at // units + tl.load(key)).to(tl.uint32))
    column = _mixed((first_unit + at % units + 0x85EBCA6B).to(tl.uint32))
    mixed = _mixed(_mixed(_mixed(row + 0x9E3779B9) ^ column))
    tl.store(kept + at, mixed.to(tl.int64) >= dropped, mask=at < count)


@triton.jit
def _mixed(x):
    """A 32-bit hash (lowbias32)."""
    x = x ^ (x >> 16)
    x = (x * 0x7FEB352D).to(tl.uint32)
    x = x ^ (x >> 15)
    x = (x * 0x846CA68B).to(tl.uint32)
    return x ^ (x >> 16)

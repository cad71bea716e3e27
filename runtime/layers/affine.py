"""A fixed factor and a fixed summand: the neurons `linear[a,b]` of cuda-convnet."""

from __future__ import annotations

from torch import Tensor


def affine(x: Tensor, scale: float, shift: float = 0.0) -> Tensor:
    """`scale * x + shift`, value by value, in the shape of `x`."""
    return x * scale + shift

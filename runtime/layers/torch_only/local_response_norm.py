"""Local response normalisation across maps (Krizhevsky et al. 2012, section 3.3)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from ...kernels.sliced_norm import (
    differentiable_gradient,
    reach,
    sliced_norm,
    wide_type,
)

# Smaller tiles spend their time starting threads, larger ones do not fit the cache.
TILE_VALUES = 2**19


class LocalResponseNorm(nn.Module):
    """b_i = a_i / (k + alpha * sum_j a_j^2)^beta.

    j goes from max(0, i - size/2) to min(C - 1, i + size/2). torch's layer of the same
    name divides alpha by `size`; this one does not. For an even `size`, the window
    extends one map further down than up, as in torch. `towers` blocks of neighbouring
    maps are normalised independently.
    """

    def __init__(
        self,
        size: int,
        alpha: float,
        beta: float,
        k: float,
        towers: int = 1,
    ) -> None:
        super().__init__()
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k
        self.towers = towers

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        settings = self.size, self.alpha, self.beta, self.k, self.towers
        if x.device.type != "cpu" or torch.compiler.is_compiling():
            return sliced_norm(x, *settings)
        y: Tensor = _TiledNorm.apply(x, *settings)
        return y

    def extra_repr(self) -> str:
        """The arguments, for `repr`."""
        constants = f"alpha={self.alpha}, beta={self.beta}, k={self.k}"
        return f"{self.size}, {constants}, towers={self.towers}"


class _TiledNorm(torch.autograd.Function):
    """Saves only the input; computing the sums again is faster.

    With s_i = k + alpha * sum_j a_j^2, the gradient is g_i s_i^-beta - 2 alpha beta a_i
    sum_j g_j a_j s_j^(-beta - 1), where the second window is the mirrored first one.
    Derivatives of the gradient are those of `sliced_norm`.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        size: int,
        alpha: float,
        beta: float,
        k: float,
        towers: int,
    ) -> Tensor:
        ctx.save_for_backward(x)
        ctx.settings = size, alpha, beta, k, towers
        return _normalise_tiles(x, *ctx.settings)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (x,), (gradient,) = ctx.saved_tensors, gradients
        if torch.is_grad_enabled():  # the gradient will be differentiated
            result = differentiable_gradient(gradient, x, *ctx.settings)
        else:
            result = _differentiate_tiles(gradient, x, *ctx.settings)
        return result, None, None, None, None, None


class _Windows:
    """Sums of `k` and the values of a window: `below` maps down to `above` maps up.

    Tiles are (blocks, maps, positions). In flat memory there are further maps around
    their maps, so a sum is a sum of shifted copies of the whole: the width doubles at
    each addition, and edges need no special case. The caller adds an equal part of `k`
    to each value of a window, including the values outside the edges.
    """

    def __init__(self, below: int, above: int, k: float = 0.0) -> None:
        self._size, self._below = below + above + 1, below
        self.part = k / self._size
        self._padded: dict[torch.Size, Tensor] = {}

    def values_of(self, tile: Tensor) -> Tensor:
        """The memory for the values of a tile of this shape and type."""
        if tile.shape not in self._padded:
            blocks, maps, places = tile.shape
            padded = (blocks, maps + self._size - 1, places)
            self._padded[tile.shape] = tile.new_full(padded, self.part)
        return self._padded[tile.shape][:, self._below : self._below + tile.shape[1]]

    def sums_of(self, tile: Tensor) -> Tensor:
        """(blocks, maps, positions): the sum over the window of each value."""
        padded, step = self._padded[tile.shape], tile.shape[2]
        sums = total = padded.view(-1)
        # sums[i] covers `width` maps from position i on, total[i] covers `summed`
        width, summed = 1, self._size & 1
        while summed < self._size:
            sums, width = sums[: -width * step] + sums[width * step :], width * 2
            if self._size & width:
                rest = sums[summed * step :]
                total = total[: len(rest)] + rest if summed else rest
                summed += width
        return total.as_strided(tile.shape, padded.stride())


def _normalise_tiles(
    x: Tensor,
    size: int,
    alpha: float,
    beta: float,
    k: float,
    towers: int,
) -> Tensor:
    """The normalised maps, computed on tiles that stay in the cache."""
    x = _dense(x, x)
    y = torch.empty_like(x)
    squares = _Windows(*reach(size, x, towers), k)
    for a, out in _tiles(towers, x, y):
        a = a.to(wide_type(x))
        _times_power(a, _denominators(a, squares, alpha), beta, out)
    return y


def _differentiate_tiles(
    gradient: Tensor,
    x: Tensor,
    size: int,
    alpha: float,
    beta: float,
    k: float,
    towers: int,
) -> Tensor:
    """The gradient of the input, computed on tiles that stay in the cache."""
    x = _dense(x, x)
    result = torch.empty_like(x)
    below, above = reach(size, x, towers)
    squares, shares = _Windows(below, above, k), _Windows(above, below)
    for a, g, out in _tiles(towers, x, _dense(gradient, x), result):
        a = a.to(wide_type(x))
        s = _denominators(a, squares, alpha)
        share = torch.div(a, s, out=shares.values_of(a))
        direct = _times_power(g, s, beta, torch.empty_like(s))
        share.mul_(direct)
        torch.addcmul(direct, shares.sums_of(a), a, value=-2 * alpha * beta, out=out)
    return result


def _denominators(a: Tensor, squares: _Windows, alpha: float) -> Tensor:
    """The sums k + alpha * sum_j a_j^2."""
    part = a.new_tensor(squares.part)
    torch.addcmul(part, a, a, value=alpha, out=squares.values_of(a))
    return squares.sums_of(a)


def _times_power(factor: Tensor, base: Tensor, beta: float, out: Tensor) -> Tensor:
    """Multiply `factor` by base^-beta, which is 0 for infinity.

    For 0.75 with two roots, which is 3x faster than a power.
    """
    if beta == 0.75:
        root = base.rsqrt()
        quarter = torch.sqrt(root, out=out if out.dtype == root.dtype else None)
        return torch.mul(quarter.mul_(root), factor, out=out)
    return torch.mul(base.pow(-beta), factor, out=out)


def _tiles(towers: int, *tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Matching pieces of tensors (N, C, H, W) with the same memory layout.

    Each is (blocks, maps of a tower, positions). A position is what is next to another
    one within a map. In channels-last memory a block has one, and there are more
    blocks.
    """
    images, channels, *size = tensors[0].shape
    maps, places = channels // towers, math.prod(size)
    if _is_channels_last(tensors[0]):
        flat = (images * places * towers, maps, 1)
        blocks = [x.permute(0, 2, 3, 1).view(flat) for x in tensors]
        places = 1
    else:
        blocks = [x.view(images * towers, maps, places) for x in tensors]
    wide = max(1, min(places, TILE_VALUES // maps))
    high = max(1, TILE_VALUES // (maps * wide))
    for top in range(0, len(blocks[0]), high):
        for left in range(0, places, wide):
            yield tuple(x[top : top + high, :, left : left + wide] for x in blocks)


def _dense(x: Tensor, like: Tensor) -> Tensor:
    """The same values without gaps in memory, channels last if `like` is."""
    if _is_channels_last(like):
        return x.contiguous(memory_format=torch.channels_last)
    return x.contiguous()


def _is_channels_last(x: Tensor) -> bool:
    return x.is_contiguous(memory_format=torch.channels_last)

"""Local response normalisation across feature maps, as in the paper (section 3.3): with the sum, not the mean."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from ..kernels import kernels_run_on
from ..kernels.sliced_norm import reach, sliced_norm, wide_type

TILE_VALUES = 2**19  # smaller tiles spend their time starting threads, larger ones do not fit the cache
_LARGEST_TILE = 4096  # maps of a tower, all of which a GPU's kernel holds at once


class LocalResponseNorm(nn.Module):
    """b_i = a_i / (k + alpha * sum_j a_j^2)^beta, j from max(0, i - size/2) to min(C - 1, i + size/2).

    torch's layer of the same name divides alpha by `size`; this one does not. For an even `size`, the window extends
    one map further down than up, as in torch. `towers` blocks of neighbouring maps are normalised independently. With
    `halo=(below, above)`, the input has this many more maps before and after: only their squares are used, and they are
    not part of the result.
    """

    def __init__(
        self, size: int, alpha: float, beta: float, k: float, towers: int = 1, halo: tuple[int, int] = (0, 0)
    ) -> None:
        super().__init__()
        self.size, self.alpha, self.beta, self.k, self.towers, self.halo = size, alpha, beta, k, towers, halo

    def forward(self, x: Tensor) -> Tensor:
        """(N, below + C + above, H, W) to (N, C, H, W)."""
        below, above = self.halo
        return self._normalised(x)[:, below : x.shape[1] - above] if below or above else self._normalised(x)

    def _normalised(self, x: Tensor) -> Tensor:
        settings = self.size, self.alpha, self.beta, self.k, self.towers
        y: Tensor
        is_compiling, has_kernels = torch.compiler.is_compiling(), _has_kernels(x, self.towers)
        if is_compiling and has_kernels:
            from ..kernels.response_norm import response_norm

            y = response_norm(x, *settings)
        elif not is_compiling and (has_kernels or x.device.type == "cpu"):
            y = _Norm.apply(x, *settings)
        else:
            y = sliced_norm(x, *settings)
        return y

    def extra_repr(self) -> str:
        """The arguments, for `repr`."""
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}, towers={self.towers}"


class _Norm(torch.autograd.Function):
    """Saves only the input; computing the sums again is faster.

    With s_i = k + alpha * sum_j a_j^2, the gradient is g_i s_i^-beta - 2 alpha beta a_i sum_j g_j a_j s_j^(-beta - 1),
    where the second window is the mirrored first one. Derivatives of the gradient are those of `sliced_norm`.
    """

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401
        x: Tensor,
        size: int,
        alpha: float,
        beta: float,
        k: float,
        towers: int,
    ) -> Tensor:
        ctx.save_for_backward(x)
        ctx.settings = size, alpha, beta, k, towers
        if x.device.type == "cpu":
            return _normalise_tiles(x, *ctx.settings)
        from ..kernels.response_norm import normalise

        return normalise(x, *ctx.settings)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        (x,) = ctx.saved_tensors
        if torch.is_grad_enabled():  # the gradient will be differentiated
            (result,) = torch.autograd.grad(sliced_norm(x, *ctx.settings), x, gradient, create_graph=True)
        elif x.device.type == "cpu":
            result = _differentiate_tiles(gradient, x, *ctx.settings)
        else:
            from ..kernels.response_norm import differentiate

            result = differentiate(gradient, x, *ctx.settings)
        return result, None, None, None, None, None


def _has_kernels(x: Tensor, towers: int) -> bool:
    return kernels_run_on(x.device) and x.dtype != torch.float64 and x.shape[1] // towers <= _LARGEST_TILE


def _normalise_tiles(x: Tensor, size: int, alpha: float, beta: float, k: float, towers: int) -> Tensor:
    """The normalised maps, computed on tiles that stay in the cache."""
    x = _dense(x, x)
    y = torch.empty_like(x)
    squares = _Windows(*reach(size, x, towers), k)
    for a, out in _tiles(towers, x, y):
        a = a.to(wide_type(x))
        _times_power(a, _denominators(a, squares, alpha), beta, out)
    return y


def _differentiate_tiles(
    gradient: Tensor, x: Tensor, size: int, alpha: float, beta: float, k: float, towers: int
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


class _Windows:
    """Sums `k` and the values of a window, from `below` maps further down to `above` maps further up.

    Tiles are (blocks, maps, positions). In flat memory there are further maps around their maps, so a sum is a sum of
    shifted copies of the whole: the width doubles at each addition, and edges need no special case. The caller adds an
    equal part of `k` to each value of a window, including the values outside the edges.
    """

    def __init__(self, below: int, above: int, k: float = 0.0) -> None:
        self._size, self._below = below + above + 1, below
        self.part = k / self._size
        self._padded: dict[torch.Size, Tensor] = {}

    def values_of(self, tile: Tensor) -> Tensor:
        """The memory for the values of a tile of this shape and type."""
        if tile.shape not in self._padded:
            blocks, maps, places = tile.shape
            self._padded[tile.shape] = tile.new_full((blocks, maps + self._size - 1, places), self.part)
        return self._padded[tile.shape][:, self._below : self._below + tile.shape[1]]

    def sums_of(self, tile: Tensor) -> Tensor:
        """(blocks, maps, positions): the sum over the window of each value."""
        padded, step = self._padded[tile.shape], tile.shape[2]
        sums = total = padded.view(-1)
        width, summed = 1, self._size & 1  # sums[i] covers `width` maps from position i on, total[i] covers `summed`
        while summed < self._size:
            sums, width = sums[: -width * step] + sums[width * step :], width * 2
            if self._size & width:
                total = total[: len(sums) - summed * step] + sums[summed * step :] if summed else sums
                summed += width
        return total.as_strided(tile.shape, padded.stride())


def _denominators(a: Tensor, squares: _Windows, alpha: float) -> Tensor:
    """The sums k + alpha * sum_j a_j^2."""
    torch.addcmul(a.new_tensor(squares.part), a, a, value=alpha, out=squares.values_of(a))
    return squares.sums_of(a)


def _times_power(factor: Tensor, base: Tensor, beta: float, out: Tensor) -> Tensor:
    """Multiply `factor` by base^-beta, which is 0 for infinity; for 0.75 with two roots, 3x faster than a power."""
    if beta == 0.75:
        root = base.rsqrt()
        quarter = torch.sqrt(root, out=out if out.dtype == root.dtype else None)
        return torch.mul(quarter.mul_(root), factor, out=out)
    return torch.mul(base.pow(-beta), factor, out=out)


def _tiles(towers: int, *tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Matching pieces of tensors (N, C, H, W) with the same memory layout: each (blocks, maps of a tower, positions).

    A position is what is next to another one within a map. In channels-last memory a block has one, and there are more
    blocks.
    """
    images, channels, *size = tensors[0].shape
    maps, places = channels // towers, math.prod(size)
    if _is_channels_last(tensors[0]):
        blocks = [x.permute(0, 2, 3, 1).view(images * places * towers, maps, 1) for x in tensors]
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
    return x.contiguous(memory_format=torch.channels_last if _is_channels_last(like) else torch.contiguous_format)


def _is_channels_last(x: Tensor) -> bool:
    return x.is_contiguous(memory_format=torch.channels_last)

"""Local response normalisation across feature maps, as the paper has it (section 3.3): with the sum, not the mean."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

TILE_VALUES = (
    2**18
)  # 1 MiB of float32: with its scratch a tile fits a core's cache; the paper's first layer is one image


class LocalResponseNorm(nn.Module):
    """b_i = a_i / (k + alpha * sum_j a_j^2)^beta, j from max(0, i - size/2) to min(C - 1, i + size/2).

    torch's layer of this name divides alpha by `size`; this one does not. For an even `size` the window reaches one map
    further down than up, as in torch. `towers` blocks of neighbouring maps are normalised each by itself. With
    `halo=(below, above)` so many maps before and after are given for their squares alone, and left out of the result.
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
        if x.device.type == "cpu" and not torch.compiler.is_compiling():
            y: Tensor = _TiledNorm.apply(x, self.size, self.alpha, self.beta, self.k, self.towers)
            return y
        return _fused_norm(x, self.size, self.alpha, self.beta, self.k, self.towers)

    def extra_repr(self) -> str:
        """The arguments, for `repr`."""
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}, towers={self.towers}"


def _fused_norm(x: Tensor, size: int, alpha: float, beta: float, k: float, towers: int) -> Tensor:
    """Slices of the squares added up: the form that a compiler or a GPU makes one pass of."""
    maps = x.view(x.shape[0], towers, x.shape[1] // towers, *x.shape[2:])  # (N, towers, C / towers, H, W)
    count = maps.shape[2]
    squares = nn.functional.pad(maps * maps, (0, 0, 0, 0, size // 2, (size - 1) // 2))
    window = squares[:, :, :count]
    for offset in range(1, size):
        window = window + squares[:, :, offset : offset + count]
    return (maps * torch.pow(k + alpha * window, -beta)).flatten(1, 2)


class _TiledNorm(torch.autograd.Function):
    """Works on a few images at a time, so that they stay in the cache, and keeps only the input and the denominators.

    With s_i = k + alpha * sum_j a_j^2 the gradient is g_i s_i^-beta - 2 alpha beta a_i sum_j g_j a_j s_j^(-beta - 1),
    where the second window is the first one mirrored.
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
        wide = torch.promote_types(x.dtype, torch.float32)
        y, denominators = torch.empty_like(x), torch.empty_like(x, dtype=wide)
        for images, s, out in zip(*map(_tiles, (x, denominators, y)), strict=True):
            a = images.to(wide)
            _sum_windows(a * a, s, size // 2, (size - 1) // 2, towers)
            s.mul_(alpha).add_(k)
            out.copy_(_negative_power(s, beta).mul_(a))
        ctx.save_for_backward(x, denominators)
        ctx.settings = size, alpha, beta, towers
        return y

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        x, denominators = ctx.saved_tensors
        size, alpha, beta, towers = ctx.settings
        result = torch.empty_like(x)
        for images, s, g, out in zip(*map(_tiles, (x, denominators, gradient, result)), strict=True):
            a = images.to(s.dtype)
            direct = _negative_power(s, beta).mul_(g)
            shared = (direct * a).div_(s)
            window = torch.empty_like(shared)
            _sum_windows(shared, window, (size - 1) // 2, size // 2, towers)
            out.copy_(direct.addcmul_(window, a, value=-2 * alpha * beta))
        return result, None, None, None, None, None


def _tiles(x: Tensor) -> tuple[Tensor, ...]:
    """(N, C, H, W) cut along N into pieces of about TILE_VALUES."""
    tiles: tuple[Tensor, ...] = torch.split(x, max(1, TILE_VALUES // max(1, x[:1].numel())))
    return tiles


def _sum_windows(values: Tensor, out: Tensor, below: int, above: int, towers: int) -> None:
    """out[:, c] = the sum of values[:, c - below : c + above + 1] within each tower; both are (n, C, H, W)."""
    out.copy_(values)
    for source, target in zip(values.chunk(towers, 1), out.chunk(towers, 1), strict=True):
        count = source.shape[1]
        for offset in range(1, min(below, count - 1) + 1):
            target[:, offset:].add_(source[:, :-offset])
        for offset in range(1, min(above, count - 1) + 1):
            target[:, :-offset].add_(source[:, offset:])


def _negative_power(base: Tensor, beta: float) -> Tensor:
    """The base to the power -beta; the paper's 0.75 by two inverse roots, a third of the time of a power."""
    if beta == 0.75:
        root = base.rsqrt()  # base^-1/2, whose inverse root is base^1/4; `sqrt` itself starts threads on each call
        return root.rsqrt().mul_(root).mul_(root)
    return base.pow(-beta)

"""Local response normalisation across feature maps, with Triton's kernels on a GPU, and on a mesh."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..kernels import kernels_run_on
from ..kernels.sliced_norm import differentiable_gradient, reach
from .torch_only import local_response_norm as torch_only

_LARGEST_WINDOW = 17  # maps: a thread of a kernel has all values of a window in registers


class LocalResponseNorm(torch_only.LocalResponseNorm):
    """`torch_only`'s, with kernels where they run, and for a device that has a part of the maps.

    With `halo=(below, above)`, the input has this many more maps before and after: only their squares are used, and
    they are not part of the result.
    """

    def __init__(
        self, size: int, alpha: float, beta: float, k: float, towers: int = 1, halo: tuple[int, int] = (0, 0)
    ) -> None:
        super().__init__(size, alpha, beta, k, towers)
        self.halo = halo

    def forward(self, x: Tensor) -> Tensor:
        """(N, below + C + above, H, W) to (N, C, H, W)."""
        below, above = self.halo
        return self._normalised(x)[:, below : x.shape[1] - above] if below or above else self._normalised(x)

    def _normalised(self, x: Tensor) -> Tensor:
        if not self._has_kernels(x):
            return super().forward(x)
        settings = self.size, self.alpha, self.beta, self.k, self.towers
        y: Tensor
        if torch.compiler.is_compiling():
            from ..kernels.response_norm import response_norm

            y = response_norm(x, *settings)
        else:
            y = _KernelNorm.apply(x, *settings)
        return y

    def _has_kernels(self, x: Tensor) -> bool:
        window = 1 + sum(reach(self.size, x, self.towers))
        return kernels_run_on(x.device) and x.dtype != torch.float64 and window <= _LARGEST_WINDOW


class _KernelNorm(torch.autograd.Function):
    """Saves only the input; derivatives of the gradient are those of `sliced_norm`."""

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
        from ..kernels.response_norm import normalise

        ctx.save_for_backward(x)
        ctx.settings = size, alpha, beta, k, towers
        return normalise(x, *ctx.settings)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        from ..kernels.response_norm import differentiate

        (x,) = ctx.saved_tensors
        make = differentiable_gradient if torch.is_grad_enabled() else differentiate
        return make(gradient, x, *ctx.settings), None, None, None, None, None

"""Local response normalisation within each map, as in cuda-convnet (Krizhevsky 2011)."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ResponseNormWithinMap(nn.Module):
    """b = a / (k + alpha * sum of d^2)^beta.

    The sum is over the `size` by `size` positions around `a` in the same map. d is `a`
    itself, or with `about="mean"` the difference of `a` and the mean of the positions
    of the map in its window: cuda-convnet's contrast normalisation. Its backward pass
    takes that mean as a constant; this one does not. Positions outside the map count as
    zero. For an even `size`, the window extends one position further up and left.
    """

    def __init__(
        self,
        size: int,
        alpha: float,
        beta: float,
        k: float,
        about: Literal["zero", "mean"] = "zero",
    ) -> None:
        super().__init__()
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k
        self.about = about

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        d = wide
        if self.about == "mean":
            inside = self._window_means(torch.ones_like(wide[:1, :1]))
            d = wide - self._window_means(wide) / inside
        scale = self.k + self.alpha * self.size**2 * self._window_means(d * d)
        # Where the sum overflows float32, a quotient and its gradient are 0;
        # the gradient of a product would be NaN.
        return (wide / torch.pow(scale, self.beta)).to(x.dtype)

    def _window_means(self, x: Tensor) -> Tensor:
        """The mean of each window; positions outside the map count as zero."""
        before, after = self.size // 2, (self.size - 1) // 2
        padded = F.pad(x, (before, after, before, after))
        # torch's ONNX exporter ignores `divisor_override=1`: so this is not a sum
        return F.avg_pool2d(padded, self.size, stride=1)

    def extra_repr(self) -> str:
        """The arguments, for `repr`."""
        about = ', about="mean"' if self.about == "mean" else ""
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}{about}"

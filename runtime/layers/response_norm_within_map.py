"""Local response normalisation within each feature map, as in cuda-convnet (Krizhevsky 2011)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ResponseNormWithinMap(nn.Module):
    """b = a / (k + alpha * sum of a^2 over the `size` by `size` positions around it in the same map)^beta.

    Positions outside the map count as zero. For an even `size`, the window extends one position further up and left.
    """

    def __init__(self, size: int, alpha: float, beta: float, k: float) -> None:
        super().__init__()
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        before, after = self.size // 2, (self.size - 1) // 2
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        squares = F.pad(wide * wide, (before, after, before, after))
        means = F.avg_pool2d(squares, self.size, stride=1)  # torch's ONNX exporter ignores `divisor_override=1`
        # Where the sum overflows float32, a quotient and its gradient are 0; the gradient of a product would be NaN.
        return (wide / torch.pow(self.k + self.alpha * self.size**2 * means, self.beta)).to(x.dtype)

    def extra_repr(self) -> str:
        """The arguments, for `repr`."""
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"

"""A convolution with a bias per value: cuda-convnet's `sharedBiases=0` (Krizhevsky 2011)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class UnsharedBiasConv2d(nn.Conv2d):
    """Like `nn.Conv2d`, but the places share only the kernels, not the biases.

    `bias` is (kernels, H', W').

    Args:
        channels: the maps of the input.
        kernels: the maps of the output.
        places: height and width of the output.
        others: further arguments of `nn.Conv2d`.
    """

    def __init__(
        self,
        channels: int,
        kernels: int,
        *,
        places: tuple[int, int],
        **others: Any,
    ) -> None:
        super().__init__(channels, kernels, bias=False, **others)
        self.bias = nn.Parameter(torch.zeros(kernels, *places))

    def forward(self, input: Tensor) -> Tensor:
        """(N, channels, H, W) to (N, kernels, H', W')."""
        assert self.bias is not None
        maps: Tensor = self._conv_forward(input, self.weight, None)
        return maps + self.bias

    def extra_repr(self) -> str:
        """The arguments, for `repr`."""
        assert self.bias is not None
        made = "x".join(map(str, self.bias.shape))
        kernels = f"kernel_size={self.kernel_size}, stride={self.stride}"
        return f"{self.in_channels}, {made}, {kernels}, groups={self.groups}"

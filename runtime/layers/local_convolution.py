"""Convolution without shared weights: the `local` layers of cuda-convnet."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Pair = tuple[int, int]


class LocalConv2d(nn.Module):
    """Like `nn.Conv2d`, but with a separate kernel and bias for each output value.

    `weight` is (out_channels * H' * W', in_channels / groups, kernel height, kernel
    width), with the positions of a channel next to each other. So torch's initialisers
    see the right fan-in, but a fan-out H' * W' times too large; `initialise` corrects
    it. `bias` is (out_channels, H', W').

    Args:
        in_channels: the number of input maps.
        out_channels: the number of output maps.
        size: height and width of the input maps.
        kernel_size: height and width of a kernel, or one number for both.
        stride: the distance between kernels, down and across.
        padding: zeros at top and bottom, and at left and right.
        groups: the number of independent groups of maps.
        bias: whether there are biases.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        size: Pair,
        kernel_size: int | Pair,
        stride: int | Pair = 1,
        padding: int | Pair = 0,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if in_channels % groups or out_channels % groups:
            channels = f"{in_channels} and {out_channels} channels"
            raise ValueError(f"{groups} groups cannot share {channels} evenly")
        self.out_channels, self.groups = out_channels, groups
        self.kernel_size, self.stride = _pair(kernel_size), _pair(stride)
        self.padding = _pair(padding)
        self.height, self.width = (
            (side + 2 * pad - kernel) // step + 1
            for side, pad, kernel, step in zip(
                size,
                self.padding,
                self.kernel_size,
                self.stride,
                strict=True,
            )
        )
        shape = (out_channels, self.height, self.width)
        kernel_shape = (in_channels // groups, *self.kernel_size)
        self.weight = nn.Parameter(torch.empty(math.prod(shape), *kernel_shape))
        self.bias = nn.Parameter(torch.zeros(shape)) if bias else None
        nn.init.kaiming_normal_(self.weight, nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) to (N, out_channels, H', W')."""
        places = self.height * self.width
        per_group = self.out_channels // self.groups
        windows = F.unfold(x, self.kernel_size, 1, self.padding, self.stride)
        windows = windows.reshape(x.shape[0], self.groups, -1, places)
        windows = windows.permute(1, 3, 2, 0)  # (groups, places, values, N)
        weight = self.weight.reshape(self.groups, per_group, places, -1)
        y = torch.matmul(weight.transpose(1, 2), windows)
        y = y.permute(3, 0, 2, 1)  # (N, groups, channels of a group, places)
        y = y.reshape(-1, self.out_channels, self.height, self.width)
        return y if self.bias is None else y + self.bias

    def extra_repr(self) -> str:
        """The arguments, for `repr`."""
        made = f"{self.out_channels}x{self.height}x{self.width}"
        kernels = f"kernel_size={self.kernel_size}, stride={self.stride}"
        return f"{made}, {kernels}, groups={self.groups}"


def _pair(value: int | Pair) -> Pair:
    return (value, value) if isinstance(value, int) else value

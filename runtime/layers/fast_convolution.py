"""Convolutions in a form for which GPUs have fast kernels: the same sums, in another order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_MOST_GROUPS = 8  # towers; libraries have kernels of their own for many groups
_FEW_CHANNELS = 4  # images


class FastConv2d(nn.Conv2d):
    """A `nn.Conv2d` with the same parameters, for a GPU.

    A few large groups are convolved one by one if algorithms must be deterministic: such kernels for groups are up to
    five times slower. A convolution of an image with a stride reads blocks of stride by stride pixels as channels,
    because tensor cores need many channels.
    """

    def _conv_forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if self.groups > 1:
            by_group = torch.are_deterministic_algorithms_enabled()
            return self._by_group(x, weight, bias) if by_group else super()._conv_forward(x, weight, bias)
        stride, padding = self.stride[0], cast("tuple[int, int]", self.padding)
        if padding != (0, 0):
            x = F.pad(x, (padding[1], padding[1], padding[0], padding[0]))
        read = [-(-kernel // stride) for kernel in self.kernel_size]  # blocks, each way
        steps = [(side - kernel) // stride for side, kernel in zip(x.shape[2:], self.kernel_size, strict=True)]
        if torch.is_autocast_enabled(x.device.type):  # the copy is smaller then
            x = x.to(torch.get_autocast_dtype(x.device.type))
        x = _blocks(x, stride, [step + blocks for step, blocks in zip(steps, read, strict=True)])
        return F.conv2d(x, _blocks(weight, stride, read), bias)

    def _by_group(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        biases = [None] * self.groups if bias is None else bias.chunk(self.groups)
        groups = zip(x.chunk(self.groups, 1), weight.chunk(self.groups), biases, strict=True)
        convolve: Callable[..., Tensor] = torch.conv2d
        rules = self.stride, self.padding, self.dilation
        return torch.cat([convolve(*group, *rules) for group in groups], 1)


def use_fast_convolutions(network: nn.Module) -> None:
    """Let the convolutions of a network that profit compute as `FastConv2d`; their parameters and names stay."""
    for layer in network.modules():
        if type(layer) is nn.Conv2d and layer.padding_mode == "zeros" and _profits(layer):
            layer.__class__ = FastConv2d


def _profits(layer: nn.Conv2d) -> bool:
    if layer.groups > 1:
        return layer.groups <= min(_MOST_GROUPS, layer.in_channels // 16)
    is_square = layer.stride[0] == layer.stride[1] > 1 and layer.dilation == (1, 1)
    return is_square and layer.in_channels <= _FEW_CHANNELS and not isinstance(layer.padding, str)


def _blocks(x: Tensor, side: int, counts: Sequence[int]) -> Tensor:
    """(N, C, H, W) to (N, side * side * C, *counts): each block of side by side pixels becomes the channels of one.

    Blocks that reach beyond `x` are filled with zeros.
    """
    rows, columns = counts
    x = F.pad(x, (0, columns * side - x.shape[3], 0, rows * side - x.shape[2]))
    blocks = x.reshape(*x.shape[:2], rows, side, columns, side).permute(0, 2, 4, 3, 5, 1)
    return blocks.reshape(len(x), rows, columns, -1).permute(0, 3, 1, 2)

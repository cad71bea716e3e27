"""The runtime's convolution without shared weights, against a loop over places and against torch's convolution."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from alexc.runtime.layers.initial_values import Constant, initialise
from alexc.runtime.layers.local_convolution import LocalConv2d


def by_loops(layer: LocalConv2d, x: Tensor) -> Tensor:
    """Each output value from its own kernel, bias and window."""
    (high, wide), (down, right), (above, beside) = layer.kernel_size, layer.stride, layer.padding
    padded = F.pad(x, (beside, beside, above, above))
    made = torch.empty(len(x), layer.out_channels, layer.height, layer.width, dtype=x.dtype)
    maps, kernels = x.shape[1] // layer.groups, layer.out_channels // layer.groups
    for channel in range(layer.out_channels):
        first = channel // kernels * maps
        for row in range(layer.height):
            for column in range(layer.width):
                index = (channel * layer.height + row) * layer.width + column
                top, left = row * down, column * right
                window = padded[:, first : first + maps, top : top + high, left : left + wide]
                made[:, channel, row, column] = (window * layer.weight[index]).sum((1, 2, 3))
                if layer.bias is not None:
                    made[:, channel, row, column] += layer.bias[channel, row, column]
    return made


@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "groups", "bias"),
    [(3, 1, 1, 1, True), ((3, 2), (2, 1), (0, 1), 2, True), (1, 2, 0, 4, False)],
)
@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last])
def test_is_the_loop_over_places(
    kernel: int, stride: int, padding: int, groups: int, bias: bool, memory: torch.memory_format
) -> None:
    torch.manual_seed(0)
    layer = LocalConv2d(4, 8, (5, 6), kernel, stride, padding, groups, bias).double()
    if layer.bias is not None:
        nn.init.normal_(layer.bias)
    layer.to(memory_format=memory)
    x = torch.randn(2, 4, 5, 6, dtype=torch.float64, requires_grad=True)
    expected = by_loops(layer, x)
    made = layer(x.contiguous(memory_format=memory))
    torch.testing.assert_close(made, expected, rtol=1e-12, atol=1e-12)
    for ours, theirs in zip(
        torch.autograd.grad(made.square().sum(), [x, layer.weight]),
        torch.autograd.grad(expected.square().sum(), [x, layer.weight]),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


def test_with_equal_kernels_it_is_a_convolution() -> None:
    layer, conv = LocalConv2d(3, 4, (6, 6), 3, padding=1), nn.Conv2d(3, 4, 3, padding=1, bias=False)
    layer.weight.data = conv.weight.detach().repeat_interleave(36, dim=0)
    x = torch.randn(2, 3, 6, 6)
    torch.testing.assert_close(layer(x), conv(x))


def test_uneven_groups_are_refused() -> None:
    with pytest.raises(ValueError, match="evenly"):
        LocalConv2d(3, 4, (5, 5), 1, groups=2)


def test_initial_values_also_begin_the_running_statistics_anew() -> None:
    layer = nn.BatchNorm2d(3)
    layer(torch.randn(4, 3, 2, 2) + 5)
    initialise(layer, "norm", 0, weight=Constant(1.0), bias=0.0)
    assert layer.running_mean is not None
    assert layer.running_mean.tolist() == [0, 0, 0]

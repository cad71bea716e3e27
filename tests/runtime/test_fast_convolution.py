"""Convolutions in the form for a GPU are torch's: values, and gradients of inputs, weights and biases, in float64."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from typing import Any

import pytest
import torch
from torch import nn

from alexc.runtime.layers.fast_convolution import FastConv2d, use_fast_convolutions

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
# (channels, kernels, size, stride, padding, dilation, groups, bias), and the input's height and width
FAST: list[tuple[tuple[Any, ...], tuple[int, int]]] = [
    ((3, 6, 11, 4), (35, 35)),  # as in conv1
    ((3, 6, 11, 4, 2), (33, 40)),
    ((3, 6, 7, 2, 3), (17, 20)),
    ((1, 6, 3, 2, 1), (8, 9)),
    ((4, 6, (5, 3), 3, (2, 0)), (13, 11)),
    ((3, 6, 2, 4), (17, 18)),
    ((32, 8, 5, 1, 2, 1, 2), (7, 7)),
    ((64, 8, 3, 2, 1, 2, 4, False), (9, 9)),
]
PLAIN: list[tuple[Any, ...]] = [
    (3, 6, 3),
    (8, 6, 3, 2),
    (3, 6, 3, (2, 1)),
    (3, 6, 3, 2, 1, 2),
    (64, 64, 3, 1, 1, 1, 64),
    (16, 8, 3, 1, 1, 1, 2),
]


@pytest.fixture
def deterministic() -> Iterator[None]:
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(before)


@pytest.mark.usefixtures("deterministic")
@pytest.mark.parametrize(("arguments", "size"), FAST)
def test_values_and_gradients_are_torchs(arguments: tuple[Any, ...], size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(*arguments).to(DEVICE, torch.float64)
    plain = copy(layer)  # the same parameters
    use_fast_convolutions(layer)
    assert isinstance(layer, FastConv2d)
    for memory_format in (torch.contiguous_format, torch.channels_last):
        x = torch.randn(2, layer.in_channels, *size, dtype=torch.float64, device=DEVICE)
        x = x.to(memory_format=memory_format).requires_grad_()
        wanted = [x, *layer.parameters()]
        expected = plain(x)
        gradient = torch.randn_like(expected)
        expected_gradients = torch.autograd.grad(expected, wanted, gradient)
        made = layer(x)
        torch.testing.assert_close(made, expected, rtol=0, atol=1e-13)
        for made_gradient, each in zip(torch.autograd.grad(made, wanted, gradient), expected_gradients, strict=True):
            torch.testing.assert_close(made_gradient, each, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("arguments", PLAIN)
def test_other_convolutions_stay(arguments: tuple[Any, ...]) -> None:
    layer = nn.Conv2d(*arguments)
    use_fast_convolutions(layer)
    assert type(layer) is nn.Conv2d


def test_names_and_values_of_a_network_stay() -> None:
    network = nn.Sequential(nn.Conv2d(3, 6, 11, 4), nn.ReLU())
    before = {name: value.clone() for name, value in network.state_dict().items()}
    use_fast_convolutions(network)
    assert isinstance(network[0], FastConv2d)
    after = network.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], value) for name, value in before.items())


def test_autocast_computes_in_its_type() -> None:
    layer = nn.Conv2d(3, 6, 11, 4)
    use_fast_convolutions(layer)
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(torch.randn(1, 3, 35, 35)).dtype == torch.bfloat16

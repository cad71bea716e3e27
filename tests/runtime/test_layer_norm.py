"""Layer normalisation over channels and the learned scale of channels, against torchvision's formulas."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from alexc.compiler.pipeline import check_text
from alexc.runtime.layers.layer_norm import LayerNorm2d
from alexc.runtime.layers.layer_scale import LayerScale
from tests.support.compiled import network_of


def test_each_place_is_normalised_over_its_channels() -> None:
    layer = LayerNorm2d(5, eps=1e-6).double()
    nn.init.normal_(layer.weight)
    nn.init.normal_(layer.bias)
    x = torch.randn(2, 5, 3, 4, dtype=torch.float64, requires_grad=True)
    variance, mean = torch.var_mean(x, 1, correction=0, keepdim=True)
    shape = (1, 5, 1, 1)
    expected = (x - mean) / (variance + 1e-6).sqrt() * layer.weight.view(shape) + layer.bias.view(shape)
    torch.testing.assert_close(layer(x), expected)
    inputs = (x, layer.weight, layer.bias)
    made, wanted = (torch.autograd.grad(each.pow(3).sum(), inputs) for each in (layer(x), expected))
    torch.testing.assert_close(made, wanted)


@pytest.mark.parametrize("sizes", [(2, 5), (2, 5, 3, 4)])
def test_each_map_has_its_factor(sizes: tuple[int, ...]) -> None:
    layer = LayerScale(5).double()
    nn.init.normal_(layer.weight)
    x = torch.randn(sizes, dtype=torch.float64, requires_grad=True)
    expected = torch.einsum("nc...,c->nc...", x, layer.weight)
    torch.testing.assert_close(layer(x), expected)
    made, wanted = (torch.autograd.grad(each.square().sum(), (x, layer.weight)) for each in (layer(x), expected))
    torch.testing.assert_close(made, wanted)


def test_each_map_has_its_summand_too() -> None:
    layer = LayerScale(5, bias=True).double()
    assert layer.bias is not None
    nn.init.normal_(layer.weight)
    nn.init.normal_(layer.bias)
    x = torch.randn(2, 5, 3, 4, dtype=torch.float64, requires_grad=True)
    expected = torch.einsum("nc...,c->nc...", x, layer.weight) + layer.bias.view(1, 5, 1, 1)
    torch.testing.assert_close(layer(x), expected)
    inputs = (x, layer.weight, layer.bias)
    made, wanted = (torch.autograd.grad(each.square().sum(), inputs) for each in (layer(x), expected))
    torch.testing.assert_close(made, wanted)


def test_they_start_as_the_spec_says() -> None:
    steps = "conv 4 kernel=1 -> layernorm weight=2 bias=0.5 -> layer_scale 0.01 -> layer_scale"
    graph = check_text(f"network N {{\n input 3x8x8\n {steps}\n}}\n", "net.net").graph
    assert graph is not None
    assert graph.parameters == 3 * 4 + 4 + 8 + 4 + 4
    assert graph.neurons == 4 * 8 * 8
    network = network_of(graph, "cpu")
    given = {name: set(tensor.flatten().tolist()) for name, tensor in network.named_parameters() if "layer" in name}
    assert given == {
        "conv1_layernorm.weight": {2.0},
        "conv1_layernorm.bias": {0.5},
        "conv1_layer_scale.weight": {torch.tensor(0.01).item()},
        "conv1_layer_scale2.weight": {torch.tensor(1e-6).item()},
    }

"""The examples are torchvision's networks: as many parameters and, with its weights, equal logits and gradients."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision  # type: ignore[import-untyped]
from torch import Tensor, nn

from alexc.compiler.graph.graph import Graph
from alexc.compiler.pipeline import check_file
from alexc.runtime.errors import UserError
from alexc.runtime.layer_matching import match_layers
from alexc.runtime.tensor_files import natural_order
from alexc.runtime.weights_import import carry_over
from tests.conftest import ROOT
from tests.support.compiled import network_of

# torchvision's name: the spec, and what a variant inserts so that it can read smaller images, as torchvision's can.
pytestmark = pytest.mark.slow  # torchvision alone takes seconds to load

NETWORKS = {
    "alexnet": ("alexnet_2014", "after conv5.maxpool: adaptive_avgpool 6"),
    **{
        f"vgg{depth}{suffix}": (f"vgg{depth}{suffix}", "after stage5: adaptive_avgpool 7")
        for depth in (11, 13, 16, 19)
        for suffix in ("", "_bn")
    },
    "squeezenet1_0": ("squeezenet1_0", ""),
    "squeezenet1_1": ("squeezenet1_1", ""),
    "googlenet": ("googlenet_bn", ""),
    **{f"resnet{depth}": (f"resnet{depth}", "") for depth in (18, 34, 50, 101, 152)},
}
# Their logits say too that no parameter is missing.
LATER = {
    "convnext_tiny": ("convnext_tiny", ""),
    "densenet121": ("densenet121", ""),
    "efficientnet_b0": ("efficientnet_b0", ""),
    "inception_v3": ("inception_v3", "without aux\n  without aux_fc"),  # its head reads maps of 17x17 alone
    "mobilenet_v2": ("mobilenet_v2", ""),
    "mobilenet_v3_small": ("mobilenet_v3_small", ""),
    "regnet_y_400mf": ("regnet_y_400mf", ""),
    "resnext50_32x4d": ("resnext50", ""),
    "shufflenet_v2_x1_0": ("shufflenet_v2", ""),
}
SPECS = {**NETWORKS, **LATER}
SIZE, SMALLEST = 64, {"inception_v3": 75}  # pixels a side


def graph_of(spec: Path) -> Graph:
    checked = check_file(spec)
    assert checked.graph is not None, checked.diagnostics
    return checked.graph


def smaller(name: str, folder: Path) -> Graph:
    """A variant of the example that reads small images."""
    spec, inserted = SPECS[name]
    size = size_of(name)
    base = ROOT / "examples" / f"{spec}.net"
    variant = folder / "smaller.net"
    variant.write_text(
        f'network Smaller extends "{base}" {{\n  input 3x{size}x{size}\n  {inserted}\n}}\n'
        f"train {{\n  prepare resize {size} -> center_crop {size}\n  test center {size}\n  loss cross_entropy\n"
        "  optimizer sgd lr=0.01\n  schedule constant\n  batch 1\n  epochs 1\n}\n"
    )
    return graph_of(variant)


def size_of(name: str) -> int:
    return SMALLEST.get(name, SIZE)


def theirs(name: str) -> nn.Module:
    options = {"init_weights": False} if name.startswith(("googlenet", "inception", "vgg")) else {}
    network: nn.Module = torchvision.models.get_model(name, weights=None, **options)
    return network


def without_numbers(name: str) -> nn.Module:
    """torchvision's network, on the meta device if it can be made there."""
    with torch.device("cpu" if name.startswith("regnet") else "meta"):  # a RegNet computes its widths with tensors
        return theirs(name)


@pytest.mark.parametrize("name", [*NETWORKS, "inception_v3"])
def test_the_parameters_are_as_many(name: str) -> None:
    graph = graph_of(ROOT / "examples" / f"{SPECS[name][0]}.net")
    expected = sum(each.numel() for each in without_numbers(name).parameters())
    assert graph.parameters == expected
    assert sum(each.numel() for each in network_of(graph).parameters()) == expected


# The VGGs and the ResNets differ only in how often they repeat a block: one of each kind of block.
REPEATED = ("vgg13", "vgg16", "vgg19", "vgg13_bn", "vgg16_bn", "vgg19_bn", "resnet34", "resnet101", "resnet152")
COMPARED = [name for name in SPECS if name not in (*REPEATED, "vgg11_bn")]  # that one is compared in training


@pytest.mark.parametrize("name", COMPARED)
def test_logits_and_gradients_are_equal(name: str, tmp_path: Path) -> None:
    compare(name, tmp_path, training=False)


@pytest.mark.parametrize(
    "name",
    ["vgg11_bn", "googlenet", "resnet18", "resnet50", "mobilenet_v3_small", "regnet_y_400mf", "shufflenet_v2_x1_0"],
)
def test_statistics_of_a_batch_are_equal(name: str, tmp_path: Path) -> None:
    compare(name, tmp_path, training=True)


def compare(name: str, folder: Path, training: bool) -> None:
    torch.manual_seed(0)
    reference: Any = theirs(name).double()
    if name == "inception_v3":
        reference.AuxLogits = None
    randomise_normalisation(reference)
    network = network_of(smaller(name, folder)).double()
    given, wanted = reference.state_dict(), network.state_dict()
    matches = match_layers(given, wanted)
    carried = carry_over(given, wanted, matches)  # shares memory with the reference, whose statistics are its own
    network.load_state_dict(
        {key: value.clone() if "running" in key or "tracked" in key else value for key, value in carried.items()},
        assign=True,
    )
    for each in (reference, network):
        set_mode(each, training)
    images = torch.randn(2, 3, size_of(name), size_of(name), dtype=torch.float64)
    expected, made = in_order(reference(images)), in_order(network(images))
    assert len(made) == (3 if name == "googlenet" and training else 1)
    for heads in (expected, made):
        torch.manual_seed(1)
        sum((head * torch.randn_like(head)).sum() for head in heads).backward()  # type: ignore[union-attr]
    assert all(close(ours, other, 0) for ours, other in zip(made, expected, strict=True))
    compare_gradients(network, reference, {match.target: match.source for match in matches}, training)


def in_order(made: Any) -> tuple[Tensor, ...]:  # noqa: ANN401 - torchvision has a type of its own
    """The logits of all heads: ours has the further ones in the order of the network, torchvision the last first."""
    if isinstance(made, Tensor):
        return (made,)
    return (made.logits, made.aux_logits1, made.aux_logits2) if hasattr(made, "aux_logits1") else made


def compare_gradients(network: nn.Module, reference: nn.Module, sources: Mapping[str, str], training: bool) -> None:
    """Compare those of every parameter; in training also the running statistics."""
    parameters = dict(reference.named_parameters())
    # The statistics of a batch take a bias before them away: its gradient is nothing but rounding.
    largest = max(largest_of(each.grad) for each in parameters.values() if each.grad is not None)
    compared = 0
    for key, parameter in network.named_parameters():
        layer, _, tensor = key.rpartition(".")
        source = sources[layer]
        gradient = parameters[source if source in parameters else f"{source}.{tensor}"].grad
        if gradient is None:  # of a head that is computed in training only
            assert not training
            assert parameter.grad is None, key
            continue
        assert parameter.grad is not None, key
        assert training or gradient.any(), key
        gradient = gradient.reshape(parameter.grad.shape)  # of a convolution of 1x1 where torchvision has a `Linear`
        assert close(parameter.grad, gradient, 1e-3 * largest if training else 0), key
        compared += 1
    assert compared > 0.8 * len(parameters)
    for key, value in network.named_buffers() if training else ():
        layer, _, tensor = key.rpartition(".")
        assert close(value, reference.get_buffer(f"{sources[layer]}.{tensor}"), 0), key


def close(made: Tensor, expected: Tensor, floor: float) -> bool:
    """Equal to rounding, on the scale of the tensor, or on that of `floor` where it is larger."""
    if torch.equal(made, expected):  # most are, and the difference of large ones takes seconds
        return True
    with torch.no_grad():
        return largest_of(made - expected) <= 1e-9 * max(largest_of(expected), floor)


def largest_of(values: Tensor) -> float:
    """The largest absolute value, without a copy of them; NaN if one is."""
    low, high = values.aminmax()
    return float(torch.maximum(-low, high))


def randomise_normalisation(network: nn.Module) -> None:
    """Fresh normalisation is all zeros and ones, and fresh scales are tiny, which would hide a wrong order."""
    for name, parameter in network.named_parameters():
        if name.endswith("layer_scale"):
            nn.init.uniform_(parameter, 0.5, 1.5)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.1)
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
        if isinstance(module, nn.LayerNorm):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.1)


def set_mode(network: nn.Module, training: bool) -> None:
    """Train or test, but never with dropout: its masks are drawn differently."""
    network.train(training)
    for module in network.modules():
        if type(module).__name__ in ("Dropout", "StochasticDepth"):
            module.eval()


@pytest.mark.parametrize("name", [*NETWORKS, "convnext_tiny", "mobilenet_v3_small", "shufflenet_v2_x1_0"])
def test_a_file_that_keeps_no_order_gives_the_same_layers(name: str) -> None:
    given = without_numbers(name).state_dict()
    wanted = network_of(graph_of(ROOT / "examples" / f"{SPECS[name][0]}.net")).state_dict()
    without_order = {key: given[key] for key in sorted(given, key=natural_order)}
    assert match_layers(without_order, wanted, ordered=False) == match_layers(given, wanted)


def test_layers_that_are_not_there_are_not_matched() -> None:
    """The oracle can fail: another depth has another list of layers."""
    with torch.device("meta"):
        given = theirs("vgg13").state_dict()
    with pytest.raises(UserError, match=r"nothing in it fits stage3_conv3 \(weight 256x256x3x3, bias 256\)"):
        match_layers(given, network_of(graph_of(ROOT / "examples" / "vgg16.net")).state_dict())

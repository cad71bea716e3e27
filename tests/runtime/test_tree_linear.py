"""Layers over a class tree, and convolutions with a bias for each place: values, gradients, updates and counts."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F

from alexc.compiler.pipeline import check_text
from alexc.runtime.layers.tree_linear import TreeLinear
from alexc.runtime.layers.unshared_bias import UnsharedBiasConv2d
from alexc.runtime.training.base_optimizer import parameter_groups
from alexc.runtime.training.sgd import MomentumSGD
from tests.runtime.test_layers_of_2012 import draw, equal, recorded, recorded_only, tensor
from tests.support.compiled import network_of

# Leaves 0 to 4; 5 has the leaves 0, 1; 6 has 2; 7 has 5 and 3; the root, 8, has 7, 6 and 4.
TREE = (5, 5, 6, 7, 8, 7, 8, 8)
PATHS = [(0, 5, 7, 8), (1, 5, 7, 8), (2, 6, 8), (3, 7, 8), (4, 8)]


def tree(features: int = 3) -> tuple[TreeLinear, dict[int, Any]]:
    """A layer with random vectors, and the vector of each node."""
    layer = TreeLinear(features, 5, tree=TREE).double()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(draw(*parameter.shape) + len(parameter))
    one, two, three, five = (layer.get_parameter(f"above_{count}") for count in (1, 2, 3, 5))
    return layer, {**dict(enumerate(layer.weight)), 5: two[0], 6: one[0], 7: three[0], 8: five[0]}


def test_the_weights_of_a_unit_are_the_sum_from_its_leaf_to_the_root() -> None:
    layer, vectors = tree()
    x = draw(4, 3)
    assert layer.bias is not None
    wanted = torch.stack([x @ sum(vectors[node] for node in path) for path in PATHS], 1) + layer.bias
    torch.testing.assert_close(layer(x), wanted, rtol=1e-12, atol=1e-12)


def test_the_gradient_of_a_node_is_the_sum_of_its_leaves() -> None:
    layer, _ = tree()
    x, weights = draw(4, 3), draw(4, 5)
    (layer(x) * weights).sum().backward()
    of_units = weights.T @ x
    for count, leaves in ((1, [2]), (2, [0, 1]), (3, [0, 1, 3]), (5, [0, 1, 2, 3, 4])):
        gradient = layer.get_parameter(f"above_{count}").grad
        assert gradient is not None
        torch.testing.assert_close(gradient[0], of_units[leaves].sum(0), rtol=1e-12, atol=1e-12)


@recorded_only
def test_an_update_equals_the_recorded_values() -> None:
    entry = recorded("treefc")
    text = """
    network Tree {
      input 5x1x1
      f: tree_linear 4 tree=parents(4, 4, 5, 5, 6, 6) bias=none
    }
    """
    graph = check_text(text, "tree.net").graph
    assert graph is not None
    network: Any = network_of(graph, "cpu").double()
    nodes = tensor(entry["node_weights"])
    with torch.no_grad():
        network.f.weight.copy_(nodes[:4])
        network.f.above_2.copy_(nodes[4:6])
        network.f.above_4.copy_(nodes[6:])
    equal(network.f.unit_weights().detach(), entry["leaf_weights"])
    optimizer = MomentumSGD(parameter_groups(network), lr=entry["eps"], momentum=0.0, weight_decay=entry["wc"])
    (network.f.unit_weights() * -tensor(entry["descent_of_leaves"])).sum().backward()
    optimizer.step()
    equal(torch.cat([network.f.weight, network.f.above_2, network.f.above_4]).detach(), entry["node_weights_after"])


def test_the_initial_values_and_counts_of_a_compiled_tree() -> None:
    text = "network T {\n input 3x2x2\n f: tree_linear 5 tree=parents(5, 5, 6, 7, 8, 7, 8, 8) weight_rate=2 bias=1\n}\n"
    graph = check_text(text, "tree.net").graph
    assert graph is not None
    assert graph.parameters == 9 * 12 + 5
    network: Any = network_of(graph, "cpu")
    assert sum(parameter.numel() for parameter in network.parameters()) == graph.parameters
    with torch.no_grad():
        network.f.above_3.fill_(7)
    network.reset_parameters(seed=1)
    assert [int(network.f.get_parameter(f"above_{count}").count_nonzero()) for count in (1, 2, 3, 5)] == [0] * 4
    assert network.f.bias.tolist() == [1] * 5
    assert network.multipliers == {
        "f.weight": (2.0, 1.0),
        "f.above_1": (2.0, 1.0),
        "f.above_2": (1.0, 0.5),
        "f.above_3": (2 / 3, 1 / 3),
        "f.above_5": (0.4, 0.2),
    }


def test_without_a_tree_it_is_a_linear_layer() -> None:
    layer, x = TreeLinear(3, 4).double(), draw(2, 3)
    assert [name for name, _ in layer.named_parameters()] == ["weight", "bias"]
    torch.testing.assert_close(layer(x), F.linear(x, layer.weight, layer.bias))


@pytest.mark.parametrize(
    ("tree", "said"),
    [
        ("parents(4, 4, 3, 5, 5)", "has 4 units, and a tree with 3 leaves"),
        ("parents(4, 4, 2, 5, 5)", "has a tree in which node 2 has the parent 2, and 5 is the root"),
        ("parents(4, 4, 9, 5, 5)", "has a tree in which node 2 has the parent 9, and 5 is the root"),
        ("parents(3, 3, 3)", "has 4 units, and a tree with 3 leaves"),
        ("parents(5, 5, 5, 5, 5)", "has 4 units, and a tree with 5 leaves"),
        ("parents(1, 5, 5, 5, 5)", "has 4 units, and a tree with 4 leaves"),
    ],
)
def test_a_wrong_tree_is_told(tree: str, said: str) -> None:
    checked = check_text(f"network T {{\n input 3x2x2\n f: tree_linear 4 tree={tree}\n}}\n", "tree.net")
    assert checked.graph is None
    assert any(said in each.headline for each in checked.diagnostics), checked.diagnostics


def test_a_bias_for_each_place() -> None:
    layer = UnsharedBiasConv2d(2, 3, places=(2, 3), kernel_size=3, stride=2, padding=1, groups=1).double()
    assert layer.bias is not None
    with torch.no_grad():
        layer.bias.copy_(draw(3, 2, 3))
    x = draw(2, 2, 4, 5)
    wanted = F.conv2d(x, layer.weight, stride=2, padding=1) + layer.bias
    torch.testing.assert_close(layer(x), wanted, rtol=1e-12, atol=1e-12)
    assert torch.autograd.gradcheck(lambda bias: torch.func.functional_call(layer, {"bias": bias}, x), (layer.bias,))


def test_a_bias_for_each_place_lies_with_its_kernels() -> None:
    text = """
    network U {
      input 3x9x9
      towers 2
      a: conv 4 kernel=3 shared_bias=no bias=2 -> relu
      f: linear 2 reads=all
    }
    placement two {
      mesh  tower=2
      split channels by tower
    }
    """
    checked = check_text(text, "u.net")
    assert checked.graph is not None, checked.diagnostics
    assert checked.graph.nodes[0].bias_count == 4 * 7 * 7
    (local,) = [node.local for node in checked.placed["two"].layers() if node.whole.layer.name == "a"]
    assert local.bias_count == 2 * 7 * 7

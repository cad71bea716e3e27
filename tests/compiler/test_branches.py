"""Branches and joins, with and without towers: the compiled file against sums and slices in torch."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from alexc.compiler.files.pytorch import write_pytorch
from alexc.compiler.graph.graph import Graph
from alexc.compiler.pipeline import check_text
from alexc.compiler.text.diagnostics import render_all
from alexc.runtime.layers.towers import concat_towers
from tests.support.compiled import network_of


def graph_of(lines: str, towers: int = 1) -> Graph:
    checked = check_text(f"network Net {{\n input 3x8x8\n towers {towers}\n{lines}\n}}\n", "test.net")
    assert checked.graph is not None, render_all(checked.source, checked.diagnostics)
    return checked.graph


def reads(graph: Graph) -> dict[str, tuple[str | None, ...]]:
    return {node.layer.name: node.layer.inputs for node in graph.nodes}


def network(graph: Graph) -> nn.Module:
    return network_of(graph, "cpu").double().eval()


def images() -> Tensor:
    return torch.randn(2, 3, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def test_a_line_reads_the_one_above_unless_it_starts_from_a_name() -> None:
    graph = graph_of(
        " a: conv 8 kernel=1 -> relu\n b: a.relu -> conv 4 kernel=1\n c: a -> conv 4 kernel=1\n d: concat b c -> add a"
    )
    assert reads(graph) == {
        "a": (None,),
        "a.relu": ("a",),
        "b": ("a.relu",),
        "c": ("a.relu",),
        "d": ("b", "c"),
        "d.add": ("d", "a.relu"),
    }


def test_a_step_of_a_line_can_be_read_by_its_name() -> None:
    graph = graph_of(" a: conv 8 kernel=1 -> relu\n b: a.relu -> tanh\n add a b")
    assert reads(graph)["b"] == ("a.relu",)


def test_input_is_the_image() -> None:
    graph = graph_of(" a: conv 3 kernel=1\n b: input -> conv 3 kernel=1\n add a b input")
    assert reads(graph)["add1"] == ("a", "b", None)
    net = network(graph)
    x = images()
    a, b = net.get_submodule("a"), net.get_submodule("b")
    torch.testing.assert_close(net(x), a(x) + b(x) + x)


def test_a_residual_network_computes_the_sums_written_in_torch() -> None:
    net = network(
        graph_of(
            " stem: conv 4 kernel=3 pad=1 -> relu\n"
            " left: conv 4 kernel=3 pad=1 -> batchnorm -> relu -> add stem -> relu\n"
            " right: left -> conv 6 kernel=1\n wide: concat left right\n linear 5"
        )
    )
    stem, conv, norm, right, linear = (
        net.get_submodule(name) for name in ("stem", "left", "left_batchnorm", "right", "linear1")
    )
    x = images()
    first = torch.relu(stem(x))
    left = torch.relu(torch.relu(norm(conv(first))) + first)
    expected = linear(torch.cat((left, right(left)), dim=1).flatten(1))
    torch.testing.assert_close(net(x), expected, rtol=0, atol=1e-12)


def test_concat_towers_joins_the_slices_tower_by_tower() -> None:
    generator = torch.Generator().manual_seed(1)
    a, b, c = (torch.randn(2, channels, 3, 5, generator=generator) for channels in (6, 3, 9))
    expected = torch.cat(
        [t[:, k * t.shape[1] // 3 : (k + 1) * t.shape[1] // 3] for k in range(3) for t in (a, b, c)], dim=1
    )
    assert torch.equal(concat_towers((a, b, c), towers=3), expected)
    vectors = [each[:, :, 0, 0] for each in (a, b)]
    assert torch.equal(concat_towers(vectors, towers=1), torch.cat(vectors, dim=1))


@pytest.mark.parametrize("join", ["join: concat left right", "join: add left right"])
def test_towers_stay_apart_through_a_join(join: str) -> None:
    net = network(
        graph_of(
            f" stem: conv 8 kernel=1\n left: stem -> conv 8 kernel=3 pad=1 reads=tower\n right: stem -> relu\n {join}\n"
            " end: conv 4 kernel=1 reads=tower",
            towers=2,
        )
    )
    x = images()
    before = net(x)
    with torch.no_grad():
        net.get_submodule("stem").weight[4:] += 1  # type: ignore[operator,index]  # a Tensor; the maps of tower 1
    after = net(x)
    assert torch.equal(before[:, :2], after[:, :2])
    assert not torch.isclose(before[:, 2:], after[:, 2:]).any()


def test_a_layer_that_several_layers_read_has_its_own_variable() -> None:
    text = write_pytorch(graph_of(" a: conv 4 kernel=1 -> relu\n b: conv 4 kernel=1 -> relu -> add a"), "test.net")
    forward = text.split("def forward")[1].splitlines()
    assert [line.split("#")[0].strip() for line in forward[2:] if line.strip()] == [
        "a = F.relu(self.a(x))",
        "b_relu = F.relu(self.b(a))",
        "x = b_relu + a",
        "return x",
    ]


@pytest.mark.parametrize("gate", ["global_avgpool -> linear 8", "adaptive_avgpool 1 -> conv 8 kernel=1"])
def test_one_value_per_map_multiplies_the_map(gate: str) -> None:
    graph = graph_of(f" a: conv 8 kernel=3\n gate: {gate} -> sigmoid -> multiply a\n tanh -> multiply gate a")
    assert str(graph.nodes[-1].output) == "8x6x6"
    net, x = network(graph), images().requires_grad_()
    a = net.get_submodule("a")(x)
    means = a.mean((2, 3), keepdim=True) if "conv" in gate else a.mean((2, 3))
    factor = torch.sigmoid(list(net.children())[1](means)).view(2, 8, 1, 1)
    expected = torch.tanh(a * factor) * (a * factor) * a
    torch.testing.assert_close(net(x), expected)
    (made, wanted) = (torch.autograd.grad(each.square().sum(), x)[0] for each in (net(x), expected))
    torch.testing.assert_close(made, wanted)


@pytest.mark.parametrize(
    ("name", "operands"),
    [
        ("the_long_maps", ["{0}[:, :, None, None] * {1}"]),
        ("the_longer_maps", ["{0}[:, :, None, None]", "* {1}"]),
    ],
)
def test_a_long_product_is_broken_as_a_formatter_does(name: str, operands: list[str]) -> None:
    """In front of each operator, if its operands do not fit on one line of their own."""
    names = f"another_layer_of_{name}", f"{name}_to_multiply"
    graph = graph_of(
        f" {names[1]}: conv 8 kernel=1\n {names[0]}: global_avgpool -> linear 8\n multiply {' '.join(names)}"
    )
    lines = [line.strip() for line in write_pytorch(graph, "test.net").splitlines()]
    place = lines.index(")  # 8x8x8", lines.index("x = ("))
    assert lines[place - len(operands) - 1 : place + 1] == [
        "x = (", *(each.format(*names) for each in operands), ")  # 8x8x8"
    ]  # fmt: skip


def test_two_slices_and_a_shuffle_are_those_of_shufflenet() -> None:
    graph = graph_of(
        " maps: conv 6 kernel=1\n kept: slice 0 3\n other: maps -> slice 3 -> tanh\n"
        " concat kept other -> channel_shuffle 2"
    )
    assert [str(node.output) for node in graph.nodes[1:]] == ["3x8x8", "3x8x8", "3x8x8", "6x8x8", "6x8x8"]
    net, x = network(graph), images().requires_grad_()
    maps = net.get_submodule("maps")(x)
    expected = torch.stack([maps[:, :3], torch.tanh(maps[:, 3:])], dim=2).flatten(1, 2)  # a map of each in turn
    torch.testing.assert_close(net(x), expected)
    (made, wanted) = (torch.autograd.grad(each.square().sum(), x)[0] for each in (net(x), expected))
    torch.testing.assert_close(made, wanted)


def test_slices_are_written_as_a_person_does() -> None:
    graph = graph_of(" conv 6 kernel=1\n slice 1 5\n slice 0 3\n slice 1\n slice 0")
    lines = [line.split("  #")[0].strip() for line in write_pytorch(graph, "test.net").splitlines() if "x[" in line]
    assert lines == ["x = x[:, 1:5]", "x = x[:, :3]", "x = x[:, 1:]", "x = x[:, :]"]

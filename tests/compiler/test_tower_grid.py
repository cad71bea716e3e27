"""Towers in a grid: what `reads=row` and `reads=cross` read, and layers that are not split into towers."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import conv2d

from alexc.compiler.graph.graph import Graph
from alexc.compiler.pipeline import check_text
from tests.support.compiled import network_of

# Cut into 2x3 towers of 2 maps: the towers that each tower reads.
ROW = [[0, 1, 2]] * 3 + [[3, 4, 5]] * 3
CROSS = [[0, 1, 2, 3], [0, 1, 2, 4], [0, 1, 2, 5], [0, 3, 4, 5], [1, 3, 4, 5], [2, 3, 4, 5]]


def spec(body: str, towers: str = "2x3") -> str:
    return f"network Grid {{\n input 3x6x6\n towers {towers}\n first: conv 12 kernel=3\n{body}\n}}\n"


def graph_of(body: str, towers: str = "2x3") -> Graph:
    checked = check_text(spec(body, towers), "grid.net")
    assert checked.graph is not None, checked.diagnostics
    return checked.graph


def headline(body: str, towers: str = "2x3") -> str:
    (found,) = check_text(spec(body, towers), "grid.net").diagnostics
    return f"{found.code} {found.headline}"


def run(graph: Graph) -> tuple[Any, Tensor, Tensor]:
    """The network, what its first layer makes, and what all of it makes."""
    torch.manual_seed(0)
    network: Any = network_of(graph, "cpu").eval().double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_()
        image = torch.randn(2, 3, 6, 6, dtype=torch.float64)
        return network, network.first(image), network(image)


@pytest.mark.parametrize(("reads", "towers"), [("row", ROW), ("cross", CROSS)])
def test_a_tower_of_a_convolution_reads_the_towers_of_its_row_or_cross(reads: str, towers: list[list[int]]) -> None:
    network, first, made = run(graph_of(f" second: conv 24 kernel=2 pad=sides(1, 0, 0, 0) reads={reads}"))
    padded = torch.nn.functional.pad(first, (0, 0, 1, 0))
    parts = padded.chunk(6, 1)
    wanted = [
        conv2d(torch.cat([parts[each] for each in read], 1), weight, bias)
        for read, weight, bias in zip(towers, network.second.weight.chunk(6), network.second.bias.chunk(6), strict=True)
    ]
    torch.testing.assert_close(made, torch.cat(wanted, 1), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("reads", "towers"), [("row", ROW), ("cross", CROSS)])
def test_units_read_the_towers_of_their_row_or_cross(reads: str, towers: list[list[int]]) -> None:
    network, first, made = run(graph_of(f" second: linear 12 reads={reads}"))
    parts = first.flatten(1).chunk(6, 1)
    wanted = [
        torch.cat([parts[each] for each in read], 1) @ weight.T + bias
        for read, weight, bias in zip(towers, network.second.weight.chunk(6), network.second.bias.chunk(6), strict=True)
    ]
    torch.testing.assert_close(made, torch.cat(wanted, 1), rtol=1e-12, atol=1e-12)


def test_groups_split_what_a_tower_reads() -> None:
    graph = graph_of(" second: conv 24 kernel=1 reads=cross groups=2")
    assert graph.nodes[-1].weights is not None
    assert graph.nodes[-1].weights.shape == (24, 4, 1, 1)
    network, first, made = run(graph)
    parts = first.chunk(6, 1)
    tower = torch.cat([parts[each] for each in CROSS[1]], 1)
    wanted = conv2d(tower, network.second.weight.chunk(6)[1], network.second.bias.chunk(6)[1], groups=2)
    torch.testing.assert_close(made.chunk(6, 1)[1], wanted, rtol=1e-12, atol=1e-12)


def test_counts_of_what_a_grid_reads() -> None:
    graph = graph_of(" second: conv 24 kernel=3 reads=cross\n third: linear 12 reads=row")
    second, third = graph.nodes[1:]
    assert second.weights is not None
    assert third.weights is not None
    assert (second.weights.shape, second.multiply_adds) == ((24, 8, 3, 3), 24 * 4 * 8 * 9)
    assert (third.weights.shape, third.multiply_adds) == ((12, 48), 12 * 48)


def test_a_layer_of_one_tower() -> None:
    graph = graph_of(" second: linear 12 reads=all\n third: linear 5 reads=all towers=1 -> softmax")
    assert [node.output.towers for node in graph.nodes] == [6, 6, 1, 1]


def test_what_a_grid_cannot_be() -> None:
    assert headline(" conv 12 kernel=1 reads=row", "6") == "E0303 `conv1` has `reads=row`, but the towers form no grid"
    assert headline(" conv 12 kernel=1 reads=cross", "1x6").endswith("but the towers form no grid")
    assert headline(" linear 5 reads=row towers=1").endswith("has `towers=1`, so it cannot have `reads=row`")
    assert headline(" conv 12 kernel=1 reads=all", "2x3x4").startswith("E0204 `towers` must be a whole number")
    assert headline(" conv 12 kernel=1 reads=all", "40x40").startswith("E0204 `towers` must be a whole number")
    pooled = " first2: linear 6 reads=all towers=1\n linear 6 reads=cross"
    assert headline(pooled).endswith("has `reads=cross`, but its input is not split into towers")


def test_a_grid_is_written_and_compared_as_it_stands() -> None:
    from alexc.compiler.files.spec_writer import write_spec
    from alexc.compiler.graph.diff import diff

    grid, row = graph_of(" linear 12 reads=all"), graph_of(" linear 12 reads=all", "6")
    assert "towers 2x3\n" in write_spec(grid)
    assert [(each.name, each.before, each.after) for each in diff(grid, row).settings] == [("towers", "2x3", "6")]

"""Where a layer is in the Python file and in the picture."""

from __future__ import annotations

from pathlib import Path

import pytest

from alexc.compiler.drawing.draw import drawing_of
from alexc.compiler.files.layer_lines import layer_lines
from alexc.compiler.graph.graph import Graph
from alexc.compiler.net.expanded_parts import attribute_of
from alexc.compiler.pipeline import check_file
from tests.conftest import ROOT

EXAMPLES = ["alexnet_2014", "densenet121", "googlenet", "resnet50", "shufflenet_v2", "small"]


def graph_of(name: str) -> Graph:
    graph = check_file(ROOT / "examples" / f"{name}.net").graph
    assert graph is not None
    return graph


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_line_that_names_a_layer_belongs_to_it(name: str) -> None:
    checked = check_file(ROOT / "examples" / f"{name}.net")
    assert checked.graph is not None
    text = checked.python()
    found = layer_lines(text, checked.graph)
    lines = text.splitlines()
    layers = [node.layer.name for node in checked.graph.without_loss()]
    assert set(found) == set(layers)  # a layer without weights and module has its line in `forward`
    attributes = {attribute_of(layer): layer for layer in layers}
    for number, line in enumerate(lines, 1):
        for word in line.replace("(", " ").replace(",", " ").split():
            layer = attributes.get(word.removeprefix("self.")) if word.startswith("self.") else None
            if layer is not None:
                assert any(first <= number <= last for first, last in found[layer]), (number, line)
    shapes = {node.layer.name: str(node.output) for node in checked.graph.nodes}
    for layer in layers:
        first, last = found[layer][-1]
        assert "  # " in lines[last - 1], (layer, lines[first - 1 : last])
    pooled = [node.layer.name for node in checked.graph.nodes if node.layer.kind.keyword == "maxpool"]
    for layer in pooled:
        assert lines[found[layer][-1][1] - 1].endswith(f"# {shapes[layer]}")


def test_the_lines_of_a_placement_are_found_in_both_classes() -> None:
    checked = check_file(Path(ROOT / "spec" / "alexnet.net"))
    assert checked.graph is not None
    text = checked.python("two_gpus")
    lines = text.splitlines()
    found = layer_lines(text, checked.graph, checked.placed["two_gpus"])
    texts = [lines[first - 1].strip() for first, _ in found["conv3"]]
    assert texts == [
        "self.conv3 = nn.Conv2d(256, 384, kernel_size=3, padding=1)",
        'initialise(self.conv3, "conv3", seed, weight=Normal(0.0, 0.01), bias=0.0)',
        "x = F.relu(self.conv3(x))  # 384x13x13",
        "self.conv3 = nn.Conv2d(256, 192, kernel_size=3, padding=1)",
        'initialise(self.conv3, "conv3", seed, shard, weight=Normal(0.0, 0.01), bias=0.0)',
        "x = exchange.all_gather(x, self.tower, dim=1)  # 256x13x13",
        "x = F.relu(self.conv3(x))  # 192x13x13",
    ]


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_layer_belongs_to_one_group_of_the_picture(name: str) -> None:
    graph = graph_of(name)
    groups = [group for group in drawing_of(graph).groups if group.name]
    drawn = [layer for group in groups for layer in group.layers]
    assert sorted(drawn) == sorted(node.layer.name for node in graph.nodes)
    assert all(group.name in group.layers for group in groups)


def test_layers_before_the_first_volume_belong_to_it(tmp_path: Path) -> None:
    spec = tmp_path / "a.net"
    spec.write_text("network A {\n  input 1x8x8\n  maxpool 2\n  out: linear 2 -> softmax\n}\n")
    graph = check_file(spec).graph
    assert graph is not None
    (group,) = [group for group in drawing_of(graph).groups if group.name]
    assert group.layers == ("maxpool1", "out", "out.softmax")

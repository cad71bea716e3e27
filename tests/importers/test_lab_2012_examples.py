"""The networks of 2012 in examples/ are those of the author's files, with the rates of the beginning of a run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from alexc.compiler.graph.diff import diff
from alexc.compiler.graph.graph import Graph
from alexc.compiler.layers.kind import Shape
from alexc.compiler.pipeline import check_file, check_text
from alexc.compiler.text.source import Source
from alexc.importers.foreign.network import Assumptions
from alexc.importers.pipeline import import_sources
from alexc.net import Net
from tests.conftest import ROOT

FILES = Path(__file__).resolve().parents[3] / "shared" / "data" / "alexnet-2012" / "layers"
SPECS = {
    "alexnet_2012": ("145", "145", 60_965_224),
    "lab2012/no_overlap_147": ("147", "147", 60_965_224),
    "lab2012/no_lrn_148": ("148", "148", 60_965_224),
    "lab2012/no_communication_150": ("150", "150", 60_714_408),
    "lab2012/one_gpu_145_half": ("145-half", "145-half", 59_798_312),
    "lab2012/six_layers_146": ("146-2012-2011", "146-2012-2011", 61_555_304),
    "lab2012/low_resolution_120": ("120", "120", 60_870_376),
    "lab2012/four_gpus_153": ("153-4gpu", "170-4gpu", 116_262_856),
}
# Arguments that can differ without a change of the layer: in a pool if the output has the same size, which is compared,
# and in a network with one tower.
ALIKE_IN_POOLS = {"stride", "round"}
ALIKE_WITHOUT_TOWERS = {"reads", "over"}


def graph_of(name: str) -> Graph:
    checked = check_file(ROOT / "examples" / f"{name}.net")
    assert checked.graph is not None, checked.diagnostics
    return checked.graph


def imported_with_the_names_of(graph: Graph, layers: str, parameters: str) -> Graph:
    """The files as a spec, whose network, placement and lines have the names of `graph`."""
    names = (f"layers-{layers}.cfg", f"layer-params-{parameters}.cfg")
    sources = [Source(name, (FILES / name).read_text()) for name in names]
    text = import_sources(sources, Assumptions(input=Shape((3, 224, 224)), from_start=True)).text or ""
    theirs = check_text(text, "imported.net").graph
    assert theirs is not None, text
    renamed = {theirs.net.name: graph.net.name}
    renamed |= {old.name: new.name for old, new in zip(theirs.net.placements, graph.net.placements, strict=True)}
    renamed |= dict(zip(theirs.statements(), graph.statements(), strict=True))
    words = re.compile(rf"\b(?:{'|'.join(map(re.escape, renamed))})\b")
    checked = check_text(words.sub(lambda word: renamed[word[0]], text), "imported.net")
    assert checked.graph is not None, checked.diagnostics
    return checked.graph


@pytest.mark.parametrize("name", SPECS)
def test_networks_of_2012_have_the_parameters_that_were_counted(name: str) -> None:
    assert graph_of(name).parameters == SPECS[name][2]


@pytest.mark.skipif(not FILES.is_dir(), reason="the files of 2012 are not present")
@pytest.mark.parametrize("name", SPECS)
def test_networks_and_placements_of_2012_are_those_of_the_files(name: str) -> None:
    layers, parameters, _ = SPECS[name]
    graph = graph_of(name)
    found = diff(graph, imported_with_the_names_of(graph, layers, parameters))
    assert [each.name for each in found.settings if not each.name.startswith("train ")] == []
    assert found.weights.load
    for layer in found.layers:
        alike = ALIKE_IN_POOLS if "maxpool" in layer.layer else set()
        alike |= ALIKE_WITHOUT_TOWERS if graph.net.towers == 1 else set()
        assert layer.change == "changed"
        assert layer.before == layer.after
        assert {what.split()[0] for what in layer.what} <= alike, layer


def cost(name: str, spec: Path) -> str:
    """The row of a network on the page: what `alexc summary` and `alexc plan` count."""
    net = Net.from_file(spec)
    devices, sent = "1", "0"
    for placement in net.placements[:1]:
        plan = net.plan(placement, batch=128)
        devices, sent = str(plan.placed.devices), f"{plan.bytes_sent / 1e6:.1f}"
    counts = f"{net.graph.parameters:,} | {net.graph.multiply_adds:,}"
    return f"| [{name}](../{spec.relative_to(ROOT)}) | {counts} | {devices} | {sent} |"


def test_the_costs_on_the_page_are_current() -> None:
    page = (ROOT / "docs" / "alexnet-2012.md").read_text(encoding="utf-8")
    specs = {"alexnet": ROOT / "spec" / "alexnet.net"} | {
        name.removeprefix("lab2012/"): ROOT / "examples" / f"{name}.net" for name in SPECS
    }
    rows = [cost(name, spec) for name, spec in specs.items()]
    assert "\n".join(rows) in page

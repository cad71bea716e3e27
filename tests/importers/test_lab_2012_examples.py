"""The networks of 2012 in examples/ are those of the author's files, with the rates of the beginning of a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from alexc.compiler.graph.graph import Graph
from alexc.compiler.layers.kind import Shape
from alexc.compiler.pipeline import check_file, check_text
from alexc.compiler.text.source import Source
from alexc.importers.foreign.network import Assumptions
from alexc.importers.pipeline import import_sources
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


def graph_of(name: str) -> Graph:
    checked = check_file(ROOT / "examples" / f"{name}.net")
    assert checked.graph is not None, checked.diagnostics
    return checked.graph


def layers_of(graph: Graph) -> list[object]:
    """Each layer with the positions of its inputs, without names."""
    places: dict[str | None, int] = {None: -1}
    found: list[object] = []
    for node in graph.nodes:
        values = node.layer.kind.model_dump()
        if "window" in values:
            values["stride"] = values["stride"] or values["window"]
            del values["round"]  # both can give the same size, which is compared
        if graph.net.towers == 1:
            values |= {name: None for name in ("reads", "over") if name in values}
        found.append((node.layer.kind.keyword, values, [places[name] for name in node.layer.inputs], node.output))
        places[node.layer.name] = len(places) - 1
    return found


@pytest.mark.parametrize("name", SPECS)
def test_networks_of_2012_have_the_parameters_that_were_counted(name: str) -> None:
    assert graph_of(name).parameters == SPECS[name][2]


@pytest.mark.skipif(not FILES.is_dir(), reason="the files of 2012 are not present")
@pytest.mark.parametrize("name", SPECS)
def test_networks_of_2012_are_those_of_the_files(name: str) -> None:
    layers, parameters, _ = SPECS[name]
    names = (f"layers-{layers}.cfg", f"layer-params-{parameters}.cfg")
    sources = [Source(each, (FILES / each).read_text()) for each in names]
    written = import_sources(sources, Assumptions(input=Shape((3, 224, 224)), from_start=True))
    assert written.text is not None, written.findings
    found = check_text(written.text, "imported.net").graph
    assert found is not None
    assert layers_of(graph_of(name)) == layers_of(found)

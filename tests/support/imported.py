"""Foreign files imported in a test: the spec, its graph, its torch module, and what was said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from alexc.compiler.graph.graph import Graph
from alexc.compiler.layers.kind import Shape
from alexc.compiler.pipeline import check_text
from alexc.compiler.text.diagnostics import Diagnostic
from alexc.compiler.text.source import Source
from alexc.importers.foreign.network import Assumptions
from alexc.importers.pipeline import import_sources
from tests.support.compiled import network_of

FOREIGN = Path(__file__).parents[1] / "importers" / "files"
WITH_KERNELS = ("Conv2d", "LocalConv2d", "Linear", "GroupedLinear")


@dataclass
class Imported:
    """What came of an import. `text` is "" where there is no spec."""

    text: str
    findings: tuple[Diagnostic, ...]

    def said(self) -> list[tuple[str, int, str]]:
        """Code, line of the foreign file, and headline of each finding."""
        return [(each.code, each.span.line_and_column[0], each.headline) for each in self.findings]

    def errors(self) -> list[tuple[str, int, str]]:
        """The same of errors alone."""
        return [each for each in self.said() if each[0].startswith("E")]

    def graph(self) -> Graph:
        """The graph of the spec, which must be there and sound."""
        checked = check_text(self.text, "imported.net")
        assert checked.graph is not None, (self.findings, checked.diagnostics)
        return checked.graph

    def line(self, name: str) -> str:
        """The line of the spec with a name, its arrows and all, with single blanks."""
        joined = self.text.replace("\n    ->", " ->")
        return next(" ".join(line.split()) for line in joined.splitlines() if line.strip().startswith(f"{name}:"))


def imported(files: Mapping[str, str], size: tuple[int, ...] | None = None, images: int = 1_281_167) -> Imported:
    """Import texts under these names."""
    shape = None if size is None else Shape(size)
    written = import_sources([Source(name, text) for name, text in files.items()], Assumptions(images, shape))
    return Imported(written.text or "", written.findings)


def imported_files(*names: str, size: tuple[int, ...] | None = None) -> Imported:
    """Import files of the folder of foreign ones."""
    return imported({name: (FOREIGN / name).read_text(encoding="utf-8") for name in names}, size)


def shapes_in_torch(graph: Graph) -> list[tuple[int, ...]]:
    """What the layers with kernels or units make of one image, in the order in which torch calls them."""
    network = network_of(graph).eval()
    shapes: list[tuple[int, ...]] = []

    def note(_: nn.Module, __: tuple[Tensor, ...], made: Tensor) -> None:
        shapes.append(tuple(made.shape[1:]))

    for layer in network.modules():
        if type(layer).__name__ in WITH_KERNELS:
            layer.register_forward_hook(note)
    network(torch.empty(1, *graph.net.input.sizes, device="meta"))
    return shapes


def parameters_in_torch(graph: Graph) -> int:
    """How many numbers the module trains."""
    return sum(weight.numel() for weight in network_of(graph).parameters())

"""A network in Python: what `from alexc import Net` gives, and what the commands about specs are made of.

What only one method needs is imported there: all of it would take as long as a spec takes to check.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from alexc.compiler.graph.graph import Graph
from alexc.compiler.graph.shapes import MOST_PARAMETERS
from alexc.compiler.pipeline import Checked, check_text
from alexc.compiler.placed_graph.placed_graph import PlacedGraph
from alexc.compiler.text.diagnostics import Diagnostic, did_you_mean
from alexc.compiler.text.source import Source

from .printable import printable
from .spec_error import SpecError
from .spec_file import read_spec
from .summary import Counts

if TYPE_CHECKING:
    from torch import nn

    from .diff import Comparison
    from .drawing import Drawing
    from .plan import Dtype, StepPlan


class Net:
    """A network whose spec has been read and has no mistakes. It never changes.

    Attributes:
        name: what the file is called that it was read from.
        text: the spec as it was written, or as a foreign file was imported.
        graph: every layer with its shape and its counts, as the compiler has them.
        placements: the names of the placements of the spec.
        warnings: what a foreign file says that a spec cannot; that a network is very large.
    """

    def __init__(self, checked: Checked, warnings: Sequence[Diagnostic] | None = None) -> None:
        """A spec that was checked; use `from_text` or `from_file`. Without `warnings` it has those of its own text.

        Raises:
            SpecError: it has mistakes.
        """
        if checked.graph is None:
            raise SpecError.of(checked.source, checked.diagnostics)
        self.name = checked.source.name
        self.text = checked.source.text
        self.graph: Graph = checked.graph
        self.placements = tuple(checked.placed)
        self.warnings = checked.diagnostics if warnings is None else tuple(warnings)
        self._placed = checked.placed

    @classmethod
    def from_text(cls, text: str, name: str = "text.net", most_parameters: int = MOST_PARAMETERS) -> Net:
        """Read a spec from its text, which extends no file; `name` is what messages call it.

        More than `most_parameters` are a mistake.

        Raises:
            SpecError: it has mistakes.
        """
        return cls(check_text(text, name, most_parameters=most_parameters))

    @classmethod
    def from_file(
        cls,
        path: str | PathLike[str],
        *more: str | PathLike[str],
        input: str | None = None,
        most_parameters: int = MOST_PARAMETERS,
    ) -> Net:
        """Read a spec from a file; or the files of another program, as `alexc import` does.

        Args:
            path: a `.net` file; a file of Caffe, darknet or cuda-convnet; or "torchvision:resnet18".
            more: further foreign files of the same network, such as cuda-convnet's parameters.
            input: the shape of an image, as in "3x224x224", for foreign files that do not say it.
            most_parameters: a network of more is a mistake.

        Raises:
            SpecError: the file cannot be read, or has mistakes; a foreign file says what a spec cannot.
        """
        named = [str(each) for each in (path, *more)]
        if not named[0].endswith(".net"):
            from . import foreign_files

            if foreign_files.names_foreign_file(named[0]):
                return cls._imported(named, input, most_parameters)
        if more:
            raise SpecError(f"{named[1]}: a spec stands alone; only files of other programs are read together")
        return cls(read_spec(Path(path), most_parameters))

    @classmethod
    def _imported(cls, named: Sequence[str], input: str | None, most_parameters: int) -> Net:
        from alexc.importers.network import Assumed

        from .foreign_files import assumed_input, findings_text, imported

        written = imported(named, Assumed(input=assumed_input(input), most_parameters=most_parameters))
        if written.text is None:
            raise SpecError(findings_text(written.findings), written.findings)
        warnings = sorted(written.findings, key=lambda finding: finding.span.start)
        return cls(check_text(written.text, Path(named[0]).name, most_parameters=most_parameters), warnings)

    def __repr__(self) -> str:
        return f"<Net {self.graph.net.name} of {self.name}: {self.graph.parameters:,} parameters>"

    def summary(self) -> Counts:
        """Shapes, weights, neurons and multiply-adds of every layer, for one image."""
        return Counts(self.graph)

    def draw(self) -> Drawing:
        """The network's picture."""
        from alexc.compiler.drawing.draw import draw_svg

        from .drawing import Drawing

        return Drawing(draw_svg(self.graph))

    def python(self, placement: str | None = None) -> str:
        """The text of the PyTorch file that `alexc compile` writes; with a placement, for its devices.

        Raises:
            SpecError: the spec has no placement of this name.
        """
        from alexc.compiler.files.pytorch import write_pytorch

        placed = None if placement is None else self._placed_by(placement)
        shown = re.sub(r"[^\w. -]", "_", Path(self.name).name)  # it stands in the docstring
        return write_pytorch(self.graph, shown, placed)

    def module(self, seed: int | None = None) -> nn.Module:
        """The network in PyTorch, which is imported here and nowhere before.

        With a `seed` each initial value is a function of the seed and of the name of its tensor alone; without one they
        are drawn from torch's own generator. `module.train()` and `module.eval()` are as for any module.
        """
        from alexc.runtime.built_network import build

        return build(self.python(), self.name, self.graph.net.name, seed)

    def expanded(self) -> str:
        """The spec with variants, blocks and defaults written out: a spec that stands alone."""
        from alexc.compiler.files.spec_writer import write_spec
        from alexc.compiler.tree.format import format_spec

        text, findings = format_spec(Source(self.name, write_spec(self.graph)))
        assert text is not None, findings
        return text

    def diff(self, other: Net) -> Comparison:
        """What changes from this network to another, and whether the weights of one load in the other."""
        from alexc.compiler.graph.diff import diff

        from .diff import Comparison

        return Comparison(self.name, other.name, diff(self.graph, other.graph))

    def plan(self, placement: str, batch: int | None = None, dtype: Dtype = "float32") -> StepPlan:
        """What each device of a placement holds, computes and sends in a training step.

        Args:
            placement: its name.
            batch: the images of a step, over all devices; the recipe's where nothing is said.
            dtype: the type of all numbers.

        Raises:
            SpecError: the spec has no placement of this name, or its devices cannot share the batch evenly.
        """
        from .plan import StepPlan, batch_of, planned

        placed = self._placed_by(placement)
        if batch is not None and batch < 1:
            raise SpecError(f"batch {batch}: expected a number of at least 1")
        return StepPlan(planned(placed, batch_of(self.graph) if batch is None else batch, dtype), dtype)

    def _placed_by(self, placement: str) -> PlacedGraph:
        if placement in self._placed:
            return self._placed[placement]
        if not self._placed:
            form = "`placement two_gpus { … }`"
            raise SpecError(f"{printable(self.name)}: has no placement `{placement}`, nor any other; write one: {form}")
        raise SpecError(
            f"{printable(self.name)}: has no placement `{placement}`; {did_you_mean(placement, self._placed)}"
        )

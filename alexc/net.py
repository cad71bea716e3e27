"""The class `Net`: a network in Python. The commands about specs use it too.

Methods import what only they need: importing all of it here would take as long as checking a spec.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, overload

from alexc.compiler.graph.graph import Graph
from alexc.compiler.graph.shapes import MOST_PARAMETERS
from alexc.compiler.pipeline import Checked, check_text
from alexc.compiler.placed_graph.placed_graph import PlacedGraph
from alexc.compiler.text.diagnostics import Diagnostic
from alexc.compiler.text.fixes import did_you_mean
from alexc.compiler.text.source import Source

from .printable import printable
from .spec_error import SpecError
from .spec_file import read_spec
from .summary import Summary

if TYPE_CHECKING:
    from typing import Unpack

    from torch import nn

    from alexc.importers.foreign.network import Assumptions
    from alexc.runtime.data.store import Store

    from .diff import Diff
    from .drawing import Drawing
    from .plan import Dtype, Plan, Plans
    from .run import Run
    from .training import Options
    from .weights import ImportedWeights


class Net:
    """A network, read from a spec without errors. It is immutable.

    Attributes:
        name: the name of the file that it was read from.
        text: the text of the spec; for a file of another program, the spec that it was converted to.
        graph: the compiler's graph: every layer with its shape and its counts.
        placements: the names of the spec's placements.
        warnings: what a file of another program says and a spec cannot express; that a network is very large.
    """

    def __init__(self, checked: Checked, warnings: Sequence[Diagnostic] | None = None) -> None:
        """Make a network of a checked spec; use `from_text` or `from_file` instead.

        Args:
            checked: the spec.
            warnings: by default, those of the spec.

        Raises:
            SpecError: the spec has errors.
        """
        if checked.graph is None:
            raise SpecError.of(checked.source, checked.diagnostics)
        self.name = checked.source.name
        self.text = checked.source.text
        self.graph: Graph = checked.graph
        self.placements = tuple(checked.placed)
        self.warnings = checked.diagnostics if warnings is None else tuple(warnings)
        self._checked = checked

    @classmethod
    def from_text(
        cls,
        text: str,
        name: str = "text.net",
        folder: str | PathLike[str] | None = None,
        most_parameters: int = MOST_PARAMETERS,
    ) -> Net:
        """Read a spec from its text.

        Args:
            text: the spec. It can extend the specs that ship with alexc by their names, as in `extends "alexnet.net"`.
            name: the name of the spec in messages.
            folder: the text is read as a file in this folder, so it can extend the files there.
            most_parameters: more parameters than this are an error.

        Raises:
            SpecError: the spec has errors.
        """
        path = None if folder is None else Path(folder) / (Path(name).name or "text.net")
        return cls(check_text(text, name, path, most_parameters=most_parameters))

    @classmethod
    def from_file(
        cls,
        path: str | PathLike[str],
        *more: str | PathLike[str],
        input: str | None = None,
        from_start: bool = False,
        most_parameters: int = MOST_PARAMETERS,
    ) -> Net:
        """Read a spec from a file, or convert files of another program as `alexc import` does.

        Args:
            path: a `.net` file, or the name of a spec that ships with alexc, such as "alexnet.net"; a file of Caffe,
                darknet or cuda-convnet; or "torchvision:resnet18".
            more: other files of the same network, such as cuda-convnet's parameters.
            input: the input shape, as in "3x224x224", if the files of another program do not contain it.
            from_start: assume the rates of the beginning of a run where a parameter file has those of its end.
            most_parameters: more parameters than this are an error.

        Raises:
            SpecError: the file cannot be read or has errors, or a spec cannot express the network.
        """
        named = [str(each) for each in (path, *more)]
        if not named[0].endswith(".net"):
            from alexc.importers.foreign.network import Assumptions

            from .foreign_files import assumed_input, names_foreign_file

            if names_foreign_file(named[0]):
                shape = assumed_input(input)
                return cls._imported(
                    named, Assumptions(input=shape, most_parameters=most_parameters, from_start=from_start)
                )
        if more:
            raise SpecError(
                f"{printable(named[1])}: a spec is one file; only files of other programs are read together"
            )
        return cls(read_spec(Path(path), most_parameters))

    @classmethod
    def _imported(cls, named: Sequence[str], assumed: Assumptions) -> Net:
        from .foreign_files import findings_text, imported

        written = imported(named, assumed)
        if written.text is None:
            raise SpecError(findings_text(written.findings), written.findings)
        warnings = sorted(written.findings, key=lambda finding: finding.span.start)
        return cls(check_text(written.text, Path(named[0]).name, most_parameters=assumed.most_parameters), warnings)

    def __repr__(self) -> str:
        return f"<Net {self.graph.net.name} of {printable(self.name)}: {self.graph.parameters:,} parameters>"

    def variant(self, *changes: str, name: str | None = None, most_parameters: int = MOST_PARAMETERS) -> Net:
        """Return this network with changes: a network that `extends` it, in the same spec.

        Args:
            changes: lines as in a network that extends another one, such as "conv1: kernel=7" or "without lrn".
            name: the name of the new network; by default that of this one and "Variant".
            most_parameters: more parameters than this are an error.

        Raises:
            SpecError: a change has an error, at its place in the text of the changes. Each argument starts a line.
        """
        from .variant import check_variant

        return Net(check_variant(self._checked.source, self.graph.net.name, "\n".join(changes), name, most_parameters))

    def summary(self) -> Summary:
        """Return the shapes, weights, neurons and multiply-adds of every layer, per image."""
        return Summary(self.graph)

    def draw(self) -> Drawing:
        """Draw the network."""
        from alexc.compiler.drawing.draw import drawing_of

        from .drawing import Drawing

        return Drawing(drawing_of(self.graph))

    def python(self, placement: str | None = None, *, standalone: bool = False) -> str:
        """Return the text of the PyTorch file that `alexc compile` writes, for one device or for a placement.

        Args:
            placement: its name.
            standalone: whether the file needs torch alone. It then has the network for one device, without the recipe.

        Raises:
            SpecError: the spec has no placement of this name; a standalone file has no placement; the network has the
                name of something else in a standalone file.
        """
        if standalone:
            return self._standalone(placement)
        if placement is not None:
            self._placed_by(placement)
        return self._checked.python(placement)

    def _standalone(self, placement: str | None) -> str:
        from alexc.compiler.files.standalone import NameTaken

        if placement is not None:
            raise SpecError(f"{printable(self.name)}: a standalone file is for one device: leave the placement out")
        try:
            return self._checked.standalone()
        except NameTaken:
            taken = f"a standalone file uses the name `{self.graph.net.name}` itself"
            raise SpecError(f"{printable(self.name)}: {taken}: give the network another name") from None

    def module(self, seed: int | None = None, weights: str | PathLike[str] | None = None) -> nn.Module:
        """Build the network as a PyTorch module.

        Args:
            seed: with it, an initial value depends only on the seed and on the name of its tensor. Without it, torch's
                global generator draws the initial values.
            weights: the weights to load: a run, a checkpoint or a file of weights, such as `import_weights` writes.

        Raises:
            UserError: the weights cannot be read, or do not fit.
        """
        from alexc.runtime.built_network import build

        module = build(self.python(), self.name, self.graph.net.name, seed)
        if weights is not None:
            from alexc.runtime.evaluation.file_weights import load_weights

            load_weights(module, Path(weights))
        return module

    def import_weights(
        self,
        path: str | PathLike[str],
        out: str | PathLike[str] | None = None,
        without: Sequence[str] = (),
        bgr: bool | None = None,
    ) -> ImportedWeights:
        """Write the weights of another program under the names of this network, as `alexc weights import` does.

        Args:
            path: a .caffemodel, a .weights or a .safetensors file, or a checkpoint of PyTorch.
            out: the file to write; by default the name of the spec with .safetensors.
            without: layers of the file to leave out.
            bgr: whether the layers that read the image are turned from BGR to RGB; by default for a .caffemodel.

        Raises:
            UserError: the file cannot be read, its layers do not match the network's, or `out` exists.
        """
        from alexc.runtime.network_file import load_module_file
        from alexc.runtime.temporary_folder import temporary_folder

        from .weights import imported_weights

        with temporary_folder() as folder:
            compiled = folder / "network.py"
            compiled.write_text(self.python(), encoding="utf-8")
            file = replace(load_module_file(compiled), path=Path(self.name))
        name = Path(self.name).stem.rpartition(":")[2]  # torchvision:resnet18 is resnet18
        target = Path(f"{name}.safetensors") if out is None else Path(out)
        return imported_weights(Path(path), file, target, without, bgr)

    def prepare(
        self, data: str | PathLike[str], out: str | PathLike[str] | None = None, workers: int | None = None
    ) -> Store:
        """Make the store of images that this network trains from, as `alexc prepare --for` does.

        Args:
            data: a folder or file of images.
            out: the folder to write; by default one under stores/.
            workers: the number of processes that decode images; by default one per core.

        Raises:
            UserError: the spec has no recipe, the images cannot be used, or the store cannot be written.
        """
        from alexc.runtime.cores import available_cores
        from alexc.runtime.data.prepare import default_destination, prepare

        from .net_recipe import geometry_of

        geometry = geometry_of(self)
        destination = default_destination(Path(data), geometry) if out is None else Path(out)
        return prepare(Path(data), destination, geometry, workers or available_cores())

    def train(
        self,
        data: str | PathLike[str] | Store | None = None,
        out: str | PathLike[str] | None = None,
        placement: str | None = None,
        **options: Unpack[Options],
    ) -> Run:
        """Train the network with its recipe, as `alexc train` does, and show the progress.

        Args:
            data: a folder of images, a store, or what `prepare` returns; by default the built-in images.
            out: the folder of the run; by default a new one under runs/.
            placement: the name of a placement to train on, with a process for each device; by default one device.
            options: `epochs`, `batch`, `lr` and the other options of `alexc train`; see `alexc.training.Options`.

        Raises:
            SpecError: the spec has no placement of this name.
            UserError: the spec has no recipe, an option or the data does not fit, or the training cannot continue.
            Interrupted: Ctrl-C, or the interruption of a notebook's kernel, stopped it; a checkpoint is saved.
        """
        from .training import train

        return train(self, data, out, placement, options)

    def expanded(self) -> str:
        """Return the spec with variants, blocks and defaults written out. It extends no other file."""
        from alexc.compiler.files.spec_writer import write_spec
        from alexc.compiler.tree.format import format_spec

        text, findings = format_spec(Source(self.name, write_spec(self.graph)))
        assert text is not None, findings
        return text

    def diff(self, other: Net) -> Diff:
        """Return what changes from this network to another, and whether the weights of one load in the other."""
        from alexc.compiler.graph.diff import diff

        from .diff import Diff

        return Diff(**vars(diff(self.graph, other.graph)), names=(self.name, other.name))

    @overload
    def plan(self, placement: str, batch: int | None = None, dtype: Dtype = "float32") -> Plan: ...

    @overload
    def plan(self, placement: None = None, batch: int | None = None, dtype: Dtype = "float32") -> Plans: ...

    def plan(self, placement: str | None = None, batch: int | None = None, dtype: Dtype = "float32") -> Plan | Plans:
        """Return what each device of a placement stores, computes and sends in a training step.

        Args:
            placement: its name; None for all placements side by side.
            batch: the batch size, over all devices; by default the recipe's.
            dtype: the type of all values.

        Raises:
            SpecError: the spec has no placement of this name, or its devices cannot share the batch evenly.
        """
        from .plan import default_batch, make_plan, make_plans

        if batch is not None and batch < 1:
            raise SpecError(f"batch {batch}: expected a number of at least 1")
        images = default_batch(self.graph) if batch is None else batch
        if placement is None:
            return make_plans(self.graph, self._checked.placed, printable(self.name), images, dtype)
        return make_plan(self._placed_by(placement), images, dtype)

    def _placed_by(self, placement: str) -> PlacedGraph:
        if placement in self._checked.placed:
            return self._checked.placed[placement]
        asked = printable(placement)
        if not self._checked.placed:
            form = "`placement two_gpus { … }`"
            raise SpecError(f"{printable(self.name)}: has no placement `{asked}`, and no other; add one: {form}")
        raise SpecError(
            f"{printable(self.name)}: has no placement `{asked}`; {did_you_mean(placement, self._checked.placed)}"
        )

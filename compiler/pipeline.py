"""The compiler: text -> tree -> net -> graph -> placed graphs -> Python file.

Each stage takes the value of the stage before it and returns its own value and the diagnostics that it found.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .garbage import gc_paused
from .graph.graph import Graph
from .graph.recipe_check import check_recipe
from .graph.shapes import MOST_PARAMETERS, infer_shapes
from .net.resolve import resolve
from .placed_graph.place import place
from .placed_graph.placed_graph import PlacedGraph
from .text.diagnostics import Diagnostic
from .text.reading import decode_source, read_source
from .text.source import Source
from .tree.library import Library
from .tree.syntax import parse
from .tree.tree import Tree


@dataclass(frozen=True)
class Checked:
    """A spec after all stages but the last, which writes the Python file on request.

    Attributes:
        source: the text.
        graph: the network; None if the spec has errors.
        diagnostics: errors and warnings; only warnings if there is a graph.
        placed: the network on the device mesh of each placement, by the placement's name.
        extends: the files that the spec extends, directly or through others, by resolved path; also those that cannot
            be read.
        tree: the syntax tree of the lines that can be parsed; None if the file is not the text of a spec.
    """

    source: Source
    graph: Graph | None
    diagnostics: tuple[Diagnostic, ...]
    placed: Mapping[str, PlacedGraph] = field(default_factory=dict)
    extends: frozenset[Path] = frozenset()
    tree: Tree | None = None

    def python(self, placement: str | None = None) -> str:
        """The text of the Python file: the network for one device, or also for the devices of a placement."""
        from .files.pytorch import write_pytorch  # only some commands write a file, and jinja takes time to import

        assert self.graph is not None
        return write_pytorch(self.graph, self._file_name, None if placement is None else self.placed[placement])

    def standalone(self) -> str:
        """The text of a Python file that needs torch alone.

        Raises:
            NameTaken: the network must have another name.
        """
        from .files.standalone import write_standalone

        assert self.graph is not None
        return write_standalone(self.graph, self._file_name)

    @property
    def _file_name(self) -> str:
        """The name of the spec's file as the docstrings of Python files have it."""
        return re.sub(r"[^\w. -]", "_", Path(self.source.name).name)


@gc_paused()
def _check(source: Source, opened: Mapping[Path, str] | None = None, most_parameters: int = MOST_PARAMETERS) -> Checked:
    """Run the stages in order. The first stage that finds an error is the last one to run."""
    tree, found = parse(source)
    if found:
        return Checked(source, None, tuple(found), tree=tree)
    library = Library(tree, opened or {})
    net, found = resolve(tree, library.load)
    if net is None:
        return Checked(source, None, tuple(found), {}, library.files, tree)
    graph, found = infer_shapes(net, most_parameters)
    if graph is None:
        return Checked(source, None, tuple(found), {}, library.files, tree)
    found += check_recipe(graph)
    placed: dict[str, PlacedGraph] = {}
    for placement in net.placements:
        on_mesh, problems = place(graph, placement)
        found += problems
        if on_mesh is not None:
            placed[placement.name] = on_mesh
    has_errors = any(each.severity == "error" for each in found)
    shown = None if has_errors else graph
    return Checked(source, shown, tuple(found), placed, library.files, tree)  # `python` is the next stage


def check_file(path: Path, most_parameters: int = MOST_PARAMETERS) -> Checked:
    """Read and check a spec. More parameters than `most_parameters` are an error.

    Raises:
        OSError: the file cannot be opened or read.
    """
    source, found = read_source(path, str(path))
    return Checked(source, None, tuple(found)) if found else _check(source, most_parameters=most_parameters)


def check_bytes(data: bytes, name: str) -> Checked:
    """Check the bytes of a file that extends no other file; `name` is its name in messages."""
    source, found = decode_source(data, name, None)
    return Checked(source, None, tuple(found)) if found else _check(source)


def check_text(
    text: str,
    name: str,
    path: Path | None = None,
    opened: Mapping[Path, str] | None = None,
    most_parameters: int = MOST_PARAMETERS,
) -> Checked:
    """Check the text of a spec.

    Args:
        text: the spec.
        name: its name in messages.
        path: its path as a file, to which the paths in it are relative. Without a path it can extend no file.
        opened: the unsaved texts of an editor by resolved path; each one replaces the text of the file.
        most_parameters: more parameters than this are an error.
    """
    return _check(Source(name, text, path), opened, most_parameters)

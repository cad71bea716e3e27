"""The order of the passes: from a file's path to a graph, with everything that is wrong."""

from __future__ import annotations

import errno
import os
import stat
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
from .text.source import Source, Span
from .tree.syntax import parse
from .tree.tree import Base, Tree

LARGEST_FILE = 2**24  # bytes: a spec of 100,000 layers has a third of that


@dataclass(frozen=True)
class Checked:
    """A spec with what could be made of it: when there are no errors a graph, and by its name each placement.

    The diagnostics of a spec that has a graph are warnings.
    """

    source: Source
    graph: Graph | None
    diagnostics: tuple[Diagnostic, ...]
    placed: Mapping[str, PlacedGraph] = field(default_factory=dict)


def check_file(path: Path, most_parameters: int = MOST_PARAMETERS) -> Checked:
    """Read and check a spec; a network of more than `most_parameters` is an error.

    Raises:
        OSError: the file cannot be opened or read.
    """
    source, diagnostics = read_source(path, str(path))
    if diagnostics:
        return Checked(source, None, tuple(diagnostics))
    return _check(source, most_parameters=most_parameters)


def check_bytes(data: bytes, name: str) -> Checked:
    """Check what a file holds, which extends no other file; `name` is what messages call it."""
    source, diagnostics = _decode(data, name, None)
    return Checked(source, None, tuple(diagnostics)) if diagnostics else _check(source)


def check_text(
    text: str,
    name: str,
    path: Path | None = None,
    opened: Mapping[Path, str] | None = None,
    most_parameters: int = MOST_PARAMETERS,
) -> Checked:
    """Check a spec's text.

    Args:
        text: what is checked.
        name: what messages call it.
        path: where it would lie as a file, for the paths that it names; without one it extends no other file.
        opened: texts that stand for those of files, by resolved path: what an editor has not saved yet.
        most_parameters: a network of more is an error.
    """
    return _check(Source(name, text, path), opened, most_parameters)


@gc_paused()
def _check(source: Source, opened: Mapping[Path, str] | None = None, most_parameters: int = MOST_PARAMETERS) -> Checked:
    """Run the passes."""
    tree, diagnostics = parse(source)
    if diagnostics:
        return Checked(source, None, tuple(diagnostics))
    net, diagnostics = resolve(tree, Library(tree, opened or {}).load)
    if net is None:
        return Checked(source, None, tuple(diagnostics))
    graph, diagnostics = infer_shapes(net, most_parameters)
    if graph is None:
        return Checked(source, None, tuple(diagnostics))
    diagnostics += check_recipe(graph)
    placed: dict[str, PlacedGraph] = {}
    for placement in net.placements:
        on_mesh, found = place(graph, placement)
        diagnostics += found
        if on_mesh is not None:
            placed[placement.name] = on_mesh
    unsound = any(each.severity == "error" for each in diagnostics)
    return Checked(source, None if unsound else graph, tuple(diagnostics), placed)


def read_source(path: Path, name: str) -> tuple[Source, list[Diagnostic]]:
    """The text of a file, called `name` in messages; empty, with what is wrong, where it is not the text of a spec.

    Raises:
        OSError: the file cannot be opened or read, or is a pipe or a device.
    """
    mode = path.stat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # it may have no writer, or no end
        raise OSError(errno.EINVAL, "it is a pipe or a device, not a file")
    with path.open("rb") as file:
        return _decode(file.read(LARGEST_FILE + 1), name, path)


def _decode(data: bytes, name: str, path: Path | None) -> tuple[Source, list[Diagnostic]]:
    text = ""
    if len(data) > LARGEST_FILE:
        message = f"the file is larger than {LARGEST_FILE:,} bytes, too large for a spec"
    else:
        try:
            text = data.decode("utf-8-sig")
            message = "the file holds a zero byte: it is not a text" if "\0" in text else ""
        except UnicodeDecodeError as error:
            message = f"the file is not UTF-8 text: byte {error.start} is {data[error.start]:#04x}"
    source = Source(name, "" if message else text, path)
    return source, [Diagnostic("E0102", message, Span(source, 0, 0))] if message else []


class Library:
    """The files that a spec extends, each read once; `opened` has texts that stand for those of files."""

    def __init__(self, tree: Tree, opened: Mapping[Path, str]) -> None:
        self._opened = opened
        self._trees: dict[Path, Tree | None] = {}
        if tree.source.path is not None:
            self._trees[tree.source.path.resolve()] = tree

    def load(self, base: Base, source: Source) -> tuple[Tree | None, list[Diagnostic]]:
        """The tree of the file at `base.path`, which is relative to the folder of `source`."""
        assert base.path is not None
        if not base.path.endswith(".net") or source.path is None:
            message = f"`{base.span.text}` is not the path of a spec" if source.path else "a text extends no file"
            return None, [Diagnostic("E0602", message, base.span, help='as in `extends "../spec/alexnet.net"`')]
        path = source.path.parent / base.path
        try:
            known = path.resolve()
            if known not in self._trees:
                self._trees[known] = None
                return self._open(path, known)
            tree = self._trees[known]
            return tree, []
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "it is no path"
            return None, [Diagnostic("E0602", f"{path} cannot be read: {reason.lower()}", base.span)]

    def _open(self, path: Path, known: Path) -> tuple[Tree | None, list[Diagnostic]]:
        name = os.path.normpath(path)
        if known in self._opened:
            source = Source(name, self._opened[known], path)
        else:
            source, diagnostics = read_source(path, name)
            if diagnostics:
                return None, diagnostics
        tree, diagnostics = parse(source)
        if diagnostics:
            return None, diagnostics
        self._trees[known] = tree
        return tree, []

"""The order of the passes: from a file's path to a graph, with everything that is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from alexc.compiler.diagnostics import Diagnostic
from alexc.compiler.graph import Graph
from alexc.compiler.recipe_fit import check_recipe
from alexc.compiler.resolve import resolve
from alexc.compiler.shapes import infer_shapes
from alexc.compiler.source import Source, Span
from alexc.compiler.syntax import parse

LARGEST_FILE = 2**20  # bytes


@dataclass(frozen=True)
class Checked:
    """A spec with what could be made of it: a graph when there are no diagnostics."""

    source: Source
    graph: Graph | None
    diagnostics: tuple[Diagnostic, ...]


def check_file(path: Path) -> Checked:
    """Read and check a spec.

    Raises:
        OSError: the file cannot be opened or read.
    """
    with path.open("rb") as file:
        data = file.read(LARGEST_FILE + 1)
    name = str(path)
    if len(data) > LARGEST_FILE:
        return _unreadable(name, f"the file is larger than {LARGEST_FILE:,} bytes, too large for a spec")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return _unreadable(name, f"the file is not UTF-8 text: byte {error.start} is {data[error.start]:#04x}")
    if "\0" in text:
        return _unreadable(name, "the file holds a zero byte: it is not a text")
    return check_text(text, name)


def check_text(text: str, name: str) -> Checked:
    """Check a spec's text; `name` is what messages call it."""
    source = Source(name, text)
    tree, diagnostics = parse(source)
    if diagnostics:
        return Checked(source, None, tuple(diagnostics))
    net, diagnostics = resolve(tree)
    if net is None:
        return Checked(source, None, tuple(diagnostics))
    graph, diagnostics = infer_shapes(net)
    if graph is None:
        return Checked(source, None, tuple(diagnostics))
    diagnostics = check_recipe(graph)
    return Checked(source, None if diagnostics else graph, tuple(diagnostics))


def _unreadable(name: str, message: str) -> Checked:
    return Checked(Source(name, ""), None, (Diagnostic("E0102", message, Span(0, 0)),))

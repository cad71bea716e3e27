"""Writes a graph as a Python file that needs torch alone: the network, and the layers of the runtime that it uses."""

from __future__ import annotations

from textwrap import wrap

from ..garbage import gc_paused
from ..graph.graph import Graph
from .line_breaks import LINE_LENGTH
from .module_class import ModuleClass, whole_class
from .pytorch import render
from .rendered_check import require_expected_form
from .runtime_source import CopiedSource, copied_source

_HEADING = """\
# What the network uses and torch lacks, copied from alexc.
# Copyright (c) 2026 The alexc authors. SPDX-License-Identifier: MIT"""

_FOR_PYRIGHT = (
    "In `forward`, either all blocks below `if self.training:` run, or none.",
    "pyright: reportPossiblyUnboundVariable=false",
)


class NameTaken(Exception):  # noqa: N818 - the name is what is taken
    """The network has the name of something else in the standalone file."""


@gc_paused()
def write_standalone(graph: Graph, spec_name: str) -> str:
    """The text of the Python file: the network for one device, without recipe and placement.

    Args:
        graph: the network.
        spec_name: the name of the spec's file without folders.

    Raises:
        NameTaken: the network must have another name.
        UnexpectedText: the rendered text is not what the compiler means to write, which is a bug of alexc.
    """
    network = whole_class(graph)
    copied = _copied(network)
    imports = {each for each in network.imports if not _is_of_runtime(each)} | copied.imports
    if graph.net.name in {*copied.names, *(each.split()[-1] for each in imports)}:
        raise NameTaken
    remarks = _FOR_PYRIGHT if len(graph.heads) > 1 else ()
    text = render(graph, f"{spec_name}, standalone", imports, [network], notes=_notes(graph), remarks=remarks)
    require_expected_form(text, [network.name], imports, network.functions(), defined=copied.names)
    return f"{text}\n\n{_HEADING}\n\n\n{copied.text}\n" if copied.text else text


def _copied(network: ModuleClass) -> CopiedSource:
    """The layers that the network uses, in the order of their use, then the initial values."""
    statements = {each.split()[-1]: each for each in network.imports if _is_of_runtime(each)}
    called = dict.fromkeys(network.functions())
    used = [statements[name] for name in called if name in statements]
    return copied_source(sorted(used, key=lambda each: "initial_values" in each), called.keys())


def _is_of_runtime(statement: str) -> bool:
    return statement.startswith("from alexc.")


def _notes(graph: Graph) -> list[str]:
    blocks = [*(["recipe"] if graph.net.recipe else []), *(["placements"] if graph.net.placements else [])]
    are = "is" if blocks == ["recipe"] else "are"
    left_out = f"; the {' and the '.join(blocks)} of the spec {are} left out" if blocks else ""
    return wrap(
        f"This file needs torch alone. It has the network for one device{left_out}. Its parameters have the names and "
        "shapes of those in the ordinary file, which imports alexc: the weights of one load in the other.",
        LINE_LENGTH,
    )

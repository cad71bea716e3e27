"""Writes a graph as a Python file: the PyTorch module, its version for a mesh if there is a placement, the recipe."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from jinja2 import Environment, StrictUndefined, Template

from ..garbage import gc_paused
from ..graph.graph import Graph
from ..graph.summary import Row, total
from ..graph.summary import rows as summary_rows
from ..placed_graph.placed_graph import PlacedGraph
from .constants import PlacementFields, placement_fields, recipe_classes, recipe_fields
from .imports import import_sections
from .line_breaks import break_long_lines
from .module_class import ModuleClass, placed_class, whole_class
from .rendered_check import require_expected_form

MADE_BY = "Made by alexc from"
_EDIT_THAT = ": edit that file, not this one."
_ORIGIN = re.compile(rf"^{MADE_BY} ([A-Za-z0-9_-]+\.net)(?:, placement (\w+))?{re.escape(_EDIT_THAT)}$", re.MULTILINE)
_HEAD = 2000  # characters at the start of a file in which `Made by alexc from` can be
_PLACEMENT = "alexc.runtime.parallel.placement"


@dataclass(frozen=True)
class Origin:
    """The source of a compiled file: the name of the spec's file, without folders, and the name of the placement."""

    spec: str
    placement: str | None


def origin_of(text: str) -> Origin | None:
    """The source that a Python file names in its docstring, or None."""
    found = _ORIGIN.search(text[:_HEAD])
    return Origin(found[1], found[2]) if found else None


@gc_paused()
def write_pytorch(graph: Graph, spec_name: str, placed: PlacedGraph | None = None) -> str:
    """The text of the Python file.

    Args:
        graph: the network.
        spec_name: the name of the spec's file without folders: the text must not depend on where the spec is.
        placed: the same network on a mesh; the file then contains both classes.

    Raises:
        UnexpectedText: the rendered text is not what the compiler means to write, which is a bug of alexc.
    """
    whole = whole_class(graph)
    classes = [whole, placed_class(whole, placed)] if placed else [whole]
    recipe = recipe_fields(graph.net.recipe) if graph.net.recipe else {}
    functions = {each for made in classes for each in made.functions()}
    imports = {each for made in classes for each in made.imports}
    constants = recipe_classes(graph.net.recipe) if graph.net.recipe else {}
    constants |= dict.fromkeys(("Placement", "Layers"), _PLACEMENT) if placed else {}
    functions |= constants.keys()
    imports |= {f"from {module} import {name}" for name, module in constants.items()}
    source = f"{spec_name}, placement {placed.placement.name}" if placed else spec_name
    text = render(
        graph,
        source,
        imports,
        classes=classes,
        recipe=recipe,
        placement=placement_fields(placed) if placed else None,
    )
    require_expected_form(text, [made.name for made in classes], imports, functions)
    return text


def render(
    graph: Graph,
    source: str,
    imports: Iterable[str],
    classes: Sequence[ModuleClass],
    *,
    recipe: Mapping[str, object] | None = None,
    placement: PlacementFields | None = None,
    notes: Sequence[str] = (),
    remarks: Sequence[str] = (),
) -> str:
    """Fill the template.

    Args:
        graph: the network.
        source: what the file is made from, in its docstring.
        imports: the import statements.
        classes: the network, and its part on a device.
        recipe: the fields of RECIPE.
        placement: the fields of PLACEMENT.
        notes: the last lines of the docstring.
        remarks: the comment below it.
    """
    text = _template().render(
        headline=f"{graph.net.name}: {graph.parameters:,} parameters, {graph.neurons:,} neurons.",
        made_by=f"{MADE_BY} {source}{_EDIT_THAT}",
        counts=_counts(graph),
        notes=notes,
        remarks=remarks,
        import_sections=import_sections(imports),
        classes=classes,
        recipe=recipe,
        placement=placement,
    )
    return break_long_lines(text)


@cache
def _template() -> Template:
    text = files("alexc.compiler.files").joinpath("pytorch.py.jinja").read_text(encoding="utf-8")
    environment = Environment(  # noqa: S701 - the text is Python, which has no HTML to escape
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    return environment.from_string(text)


def _counts(graph: Graph) -> list[str]:
    """An aligned table with the counts of the layers that have weights."""

    def cells(row: Row) -> list[str]:
        return [row.layer, row.output, *(f"{count:,}" for count in (row.weights, row.neurons, row.multiply_adds))]

    table = [["layer", "output", "weights", "neurons", "multiply-adds"]]
    table += [cells(row) for row in summary_rows(graph) if row.weights]
    table += [cells(total(graph))]
    widths = [max(len(line[column]) for line in table) for column in range(len(table[0]))]
    return [
        "  ".join(
            cell.ljust(width) if column < 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in table
    ]

"""Graph to a Python file: a PyTorch module, the same on a mesh where a placement is asked for, and the recipe."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from jinja2 import Environment, StrictUndefined, Template

from ..garbage import gc_paused
from ..graph.graph import Graph
from ..graph.summary import Row, total
from ..graph.summary import rows as summary_rows
from ..layers.arguments import Arguments
from ..layers.python_text import call, import_sections, in_tuple
from ..net.expanded_parts import attribute_of
from ..net.net import Recipe
from ..placed_graph.local_graph import axes_of
from ..placed_graph.placed_graph import Layout, PlacedGraph
from ..recipe.steps import runtime_module
from .module_class import construct, placed_class, whole_class
from .rendered_check import require_expected_form

MADE_BY = "Made by alexc from"
_EDIT_THAT = ": edit that file, not this one."
_ORIGIN = re.compile(rf"^{MADE_BY} ([A-Za-z0-9_-]+\.net)(?:, placement (\w+))?{re.escape(_EDIT_THAT)}$", re.MULTILINE)
_HEAD = 2000  # characters, within which a file says where it is from
_PLACEMENT = "alexc.runtime.parallel.placement"


@dataclass(frozen=True)
class Origin:
    """What a compiled file was made from: the name of a spec's file, without folders, and of one of its placements."""

    spec: str
    placement: str | None


def origin_of(text: str) -> Origin | None:
    """What a Python file says that it was made from; None when it says nothing."""
    found = _ORIGIN.search(text[:_HEAD])
    return Origin(found[1], found[2]) if found else None


@gc_paused()
def write_pytorch(graph: Graph, spec_name: str, placed: PlacedGraph | None = None) -> str:
    """The text of the Python file.

    Args:
        graph: the network.
        spec_name: the name of the spec's file, without folders, so that the text does not depend on where it lies.
        placed: the same network on a mesh, for a file that holds both.

    Raises:
        UnexpectedText: what was rendered is not what the compiler means to write; a defect of alexc.
    """
    classes = [whole_class(graph), *([placed_class(placed)] if placed else [])]
    recipe = graph.net.recipe
    values = {each.rpartition(" ")[2] for each in _recipe_imports(recipe)} | _placement_names(placed)
    statements = {each for made in classes for each in made.imports}
    statements |= _recipe_imports(recipe)
    statements |= {f"from {_PLACEMENT} import {name}" for name in _placement_names(placed)}
    source = f"{spec_name}, placement {placed.placement.name}" if placed else spec_name
    text = _template().render(
        headline=f"{graph.net.name}: {graph.parameters:,} parameters, {graph.neurons:,} neurons.",
        made_by=f"{MADE_BY} {source}{_EDIT_THAT}",
        count_lines=_count_lines(graph),
        import_sections=import_sections(statements),
        classes=classes,
        constants=[lines for lines in (_recipe_lines(recipe), _placement_lines(placed)) if lines],
    )
    names = [made.name for made in classes]
    require_expected_form(text, names, statements, {*values, *(each for made in classes for each in made.calls)})
    return text


@cache
def _template() -> Template:
    text = files("alexc.compiler.files").joinpath("pytorch.py.jinja").read_text(encoding="utf-8")
    environment = Environment(  # noqa: S701 - the text is Python, which has no HTML to escape
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    return environment.from_string(text)


def _count_lines(graph: Graph) -> list[str]:
    """The counts of the layers with weights as an aligned table."""

    def cells(row: Row) -> list[str]:
        return [row.layer, row.output, *(f"{count:,}" for count in (row.weights, row.neurons, row.multiply_adds))]

    table = [["layer", "output", "weights", "neurons", "multiply-adds"]]
    table += [cells(row) for row in summary_rows(graph) if row.weights]
    table += [cells(total(graph))]
    widths = [max(len(line[column]) for line in table) for column in range(len(table[0]))]
    return [
        "    "
        + "  ".join(
            cell.ljust(width) if column < 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in table
    ]


def _recipe_lines(recipe: Recipe | None) -> list[str]:
    if recipe is None:
        return []
    lines = ["RECIPE = Recipe("]
    for field, steps in (("prepare", recipe.prepare), ("augment", recipe.augment)):
        lines += call("", _tuple_items([construct(step) for step in steps]), 4, f"{field}=", ",")
    for field, step in (
        ("test", recipe.test),
        ("loss", recipe.loss),
        ("optimizer", recipe.optimizer),
        ("schedule", recipe.schedule),
    ):
        lines.append(f"    {field}={construct(step)},")
    if recipe.gradients:
        lines += call("", _tuple_items([construct(step) for step in recipe.gradients]), 4, "gradients=", ",")
    for field, said in (("precision", recipe.precision), ("average", recipe.average), ("stop", recipe.stop)):
        if said is not None:
            lines.append(f"    {field}={construct(said)},")
    return [*lines, f"    batch={recipe.batch},", f"    epochs={recipe.epochs},", ")"]


def _recipe_imports(recipe: Recipe | None) -> set[str]:
    """The import statements of the recipe's steps, one name each."""
    if recipe is None:
        return set()
    steps: list[Arguments] = [*recipe.prepare, *recipe.augment, recipe.test, recipe.loss]
    steps += [recipe.optimizer, recipe.schedule, *recipe.gradients]
    steps += [said for said in (recipe.precision, recipe.average, recipe.stop) if said is not None]
    imports = {f"from {runtime_module(type(step))} import {type(step).__name__}" for step in steps}
    return imports | {"from alexc.runtime.recipes import Recipe"}


def _placement_lines(placed: PlacedGraph | None) -> list[str]:
    """What the runtime must know: how weights and gradients lie, and what a device sees of the images and the loss."""
    if placed is None:
        return []
    mesh = ", ".join(f'"{axis.name}": {axis.devices}' for axis in placed.mesh)
    alike = [
        _layers_arguments(placed, weights, summed, names) for (weights, summed), names in _layers_alike(placed).items()
    ]
    lines = ["PLACEMENT = Placement(", f"    mesh={{{mesh}}},"]
    lines += ["    layers=[", *(line for each in alike for line in call("Layers", each, 8, after=",")), "    ],"]
    for name, layout in (("images", placed.input), ("loss", placed.loss)):
        if axes := axes_of(placed, layout, "images"):
            lines.append(f"    {name}={_axes_tuple(axes)},")
    if kept := _kept(placed, placed.loss):
        lines.append(f"    loss_kept={kept},")
    if within := _images_within(placed):
        lines.append(f"    images_within={_axes_tuple(within)},")
    return [*lines, ")"]


def _images_within(placed: PlacedGraph) -> tuple[str, ...]:
    """The axes that cut the images of layers without weights alone."""
    told = {*axes_of(placed, placed.input, "images"), *axes_of(placed, placed.loss, "images")}
    told |= {placed.mesh[axis].name for node in placed.layers() for axis in node.summed}
    cut = {axis for node in placed.layers() for axis in axes_of(placed, node.layout, "images")}
    return tuple(axis.name for axis in placed.mesh if axis.name in cut - told)


def _layers_arguments(
    placed: PlacedGraph, weights: Layout, summed: tuple[int, ...], names: list[str]
) -> list[str | tuple[str, ...]]:
    arguments: list[str | tuple[str, ...]] = [tuple(_tuple_items([f'"{name}"' for name in names]))]
    axes = {"split": axes_of(placed, weights, "channels"), "summed": tuple(placed.mesh[axis].name for axis in summed)}
    arguments += [f"{name}={_axes_tuple(found)}" for name, found in axes.items() if found]
    return arguments + ([f"kept={kept}"] if (kept := _kept(placed, weights)) else [])


def _layers_alike(placed: PlacedGraph) -> dict[tuple[Layout, tuple[int, ...]], list[str]]:
    """The layers with weights, by how those and their gradients lie."""
    found: dict[tuple[Layout, tuple[int, ...]], list[str]] = {}
    for node in placed.layers():
        if node.whole.weights:
            found.setdefault((node.weights, node.summed), []).append(attribute_of(node.whole.layer.name))
    return found


def _kept(placed: PlacedGraph, layout: Layout) -> str:
    """The axes on which something lies on one device, each with that device's number; "" where there is none."""
    items = [f'"{axis.name}": {part}' for axis, part in zip(placed.mesh, layout, strict=True) if isinstance(part, int)]
    return f"{{{', '.join(items)}}}" if items else ""


def _axes_tuple(axes: tuple[str, ...]) -> str:
    return in_tuple([f'"{axis}"' for axis in axes])


def _placement_names(placed: PlacedGraph | None) -> set[str]:
    return {"Placement", "Layers"} if placed else set()


def _tuple_items(items: list[str]) -> list[str]:
    return [f"{items[0]},"] if len(items) == 1 else items

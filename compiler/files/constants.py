"""The data of the constants in a generated file: its recipe, and its placement on a mesh."""

from __future__ import annotations

from dataclasses import dataclass

from ..layers.arguments import Arguments, Iterations
from ..layers.kind import TorchCall
from ..layers.python_text import in_tuple
from ..net.expanded_parts import attribute_of
from ..net.net import Recipe
from ..placed_graph.local_graph import axes_of
from ..placed_graph.placed_graph import Layout, PlacedGraph
from ..recipe.steps import FreezeLayer, SlowLayer, runtime_module
from .module_class import construct


def recipe_fields(recipe: Recipe) -> dict[str, tuple[TorchCall, ...] | TorchCall | int]:
    """The fields of the runtime's `Recipe`, in order; a field that the spec does not set has a default there."""
    fields: dict[str, tuple[TorchCall, ...] | TorchCall | int] = {}
    for name, value in vars(recipe).items():
        match value:
            case tuple() if value or name == "augment":  # which has no default
                fields[name] = tuple(construct(_in_module(step)) for step in value)
            case Arguments():
                fields[name] = construct(value)
            case int():
                fields[name] = value
    return fields


def _in_module(step: Arguments) -> Arguments:
    """The step with the attribute of the generated class in place of the name of a layer."""
    if isinstance(step, (SlowLayer, FreezeLayer)):
        return step.model_copy(update={"layer": attribute_of(step.layer)})
    return step


def recipe_classes(recipe: Recipe) -> dict[str, str]:
    """The runtime's classes that a recipe needs, each with its module."""
    values = [each for value in vars(recipe).values() for each in (value if isinstance(value, tuple) else (value,))]
    steps = [value for value in values if isinstance(value, Arguments)]
    classes = {type(step).__name__: runtime_module(type(step)) for step in steps}
    if any(isinstance(value, Iterations) for step in steps for value in vars(step).values()):
        classes[Iterations.__name__] = "alexc.runtime.recipes"
    return {"Recipe": "alexc.runtime.recipes", **classes}


@dataclass(frozen=True)
class LayerGroup:
    """Layers whose weights and gradients have one layout: their names, and the arguments of `Layers` that say it."""

    names: str
    layout: dict[str, str]


@dataclass(frozen=True)
class PlacementFields:
    """The fields of the runtime's `Placement` as Python text; those of `rest` have defaults there."""

    mesh: str
    layers: list[LayerGroup]
    rest: dict[str, str]


def placement_fields(placed: PlacedGraph) -> PlacementFields:
    """What the runtime must know: the layouts of weights and gradients, and the images and labels of each device."""
    groups: dict[tuple[Layout, tuple[int, ...]], list[str]] = {}
    for node in placed.layers():
        if node.whole.weights:
            groups.setdefault((node.weights, node.summed), []).append(attribute_of(node.whole.layer.name))
    layers = [
        LayerGroup(
            _quoted(names),
            {
                **_axes("split", axes_of(placed, weights, "channels")),
                **_axes("summed", tuple(placed.mesh[axis].name for axis in summed)),
                **_kept("kept", placed, weights),
            },
        )
        for (weights, summed), names in groups.items()
    ]
    rest = {
        **_axes("images", axes_of(placed, placed.input, "images")),
        **_axes("loss", axes_of(placed, placed.loss, "images")),
        **_kept("loss_kept", placed, placed.loss),
        **_axes("images_within", _images_within(placed)),
    }
    return PlacementFields(_devices([(axis.name, axis.devices) for axis in placed.mesh]), layers, rest)


def _images_within(placed: PlacedGraph) -> tuple[str, ...]:
    """The axes that split the images only for layers without weights."""
    known = {*axes_of(placed, placed.input, "images"), *axes_of(placed, placed.loss, "images")}
    known |= {placed.mesh[axis].name for node in placed.layers() for axis in node.summed}
    split = {axis for node in placed.layers() for axis in axes_of(placed, node.layout, "images")}
    return tuple(axis.name for axis in placed.mesh if axis.name in split - known)


def _axes(name: str, axes: tuple[str, ...]) -> dict[str, str]:
    return {name: _quoted(axes)} if axes else {}


def _kept(name: str, placed: PlacedGraph, layout: Layout) -> dict[str, str]:
    """The axes on which one device holds everything, with the number of that device."""
    kept = [(axis.name, part) for axis, part in zip(placed.mesh, layout, strict=True) if isinstance(part, int)]
    return {name: _devices(kept)} if kept else {}


def _devices(numbers: list[tuple[str, int]]) -> str:
    items = [f'"{axis}": {number}' for axis, number in numbers]
    return f"{{{', '.join(items)}}}"


def _quoted(names: tuple[str, ...] | list[str]) -> str:
    return in_tuple([f'"{name}"' for name in names])

"""One class of a generated file: the whole network, or the part of it that each device of a mesh computes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from textwrap import wrap

from ..graph.graph import Graph, Node
from ..graph.summary import rows as summary_rows
from ..layers.arguments import Arguments
from ..layers.kind import TorchCall, TorchLayer, TorchModule, towers_text
from ..layers.python_text import in_tuple, literal
from ..net.expanded_parts import attribute_of
from ..placed_graph.local_graph import axes_of, local_graph
from ..placed_graph.placed_graph import Exchange, PlacedGraph
from ..text.diagnostics import list_in_words
from .forward_pass import ForwardPass, forward_pass
from .line_breaks import LINE_LENGTH

_INITIAL_VALUES = "alexc.runtime.layers.initial_values"
_INDENT = 4  # of a docstring in a class


@dataclass(frozen=True, slots=True)
class Submodule:
    """A layer that the constructor makes: its attribute and the call."""

    name: str
    constructor: TorchCall


@dataclass(frozen=True, slots=True)
class InitialValues:
    """The initial weight and bias of a layer; `shard` is the variable with the axes that cut its weight, or ""."""

    name: str
    shard: str
    weight: TorchCall
    bias: str


@dataclass(frozen=True)
class ModuleClass:
    """The data that the template needs for a class.

    Attributes:
        name: the name of the class.
        headline: the first line of its docstring.
        notes: the further lines.
        input_shape: (channels, height, width) of the images.
        multipliers: by parameter, the factors of the learning rate and of the weight decay where they are not 1.
        norm_bounds: by parameter, the smallest and the largest norm of a kernel, and what the norm is about.
        head_shares: the share of each head in the loss, where there are several.
        axes: the axes of the mesh; the constructor of the whole network takes no mesh.
        layers: the layers that are modules.
        shards: by variable, the axes that cut weights.
        initial_values: the layers with weights.
        returns: the type that `forward` returns.
        forward_headline: the docstring of `forward`.
        counts_images: whether `forward` needs the number of images.
        forward: the body of `forward`.
        imports: the import statements that the class needs, one name in each.
    """

    name: str
    headline: str
    notes: list[str]
    input_shape: tuple[int, ...]
    multipliers: dict[str, tuple[float, float]]
    norm_bounds: dict[str, tuple[float | None, float | None, str]]
    head_shares: tuple[float, ...]
    axes: list[str]
    layers: list[Submodule]
    shards: dict[str, str]
    initial_values: list[InitialValues]
    returns: str
    forward_headline: str
    counts_images: bool
    forward: ForwardPass
    imports: set[str]

    def functions(self) -> Iterator[str]:
        """Everything that the data of this class calls."""
        for layer in self.layers:
            yield from layer.constructor.functions()
        for values in self.initial_values:
            yield "initialise"
            yield from values.weight.functions()
        if self.counts_images:
            yield "len"
        for run in self.forward.runs:
            for statement in run.statements:
                if isinstance(statement.expression, TorchCall):
                    yield from statement.expression.functions()


def whole_class(graph: Graph) -> ModuleClass:
    """The network on one device."""
    nodes = graph.without_loss()
    layers = {node.layer.name: node.layer.kind.torch(node.given[0], node.output) for node in nodes}
    initial_values = _initial_values(nodes, {})
    return ModuleClass(
        name=graph.net.name,
        headline=f"{_images_to_outputs(graph)}; comments give one image's shapes.",
        notes=_separate_towers(graph),
        input_shape=graph.net.input.sizes,
        multipliers=_multipliers(nodes),
        norm_bounds=_norm_bounds(nodes),
        head_shares=tuple(head.layer.kind.share_of_loss for head in graph.heads) if len(graph.heads) > 1 else (),
        axes=[],
        layers=_submodules(layers),
        shards={},
        initial_values=initial_values,
        returns="Tensor | tuple[Tensor, ...]" if len(graph.heads) > 1 else "Tensor",
        forward_headline=_forward_headline(graph),
        counts_images=False,
        forward=forward_pass(graph, layers),
        imports=_imports(layers, initial_values),
    )


def placed_class(whole: ModuleClass, placed: PlacedGraph) -> ModuleClass:
    """What each device of a mesh computes of the class `whole`; its constructor takes the mesh."""
    local = local_graph(placed)
    cuts = {
        node.whole.layer.name: axes
        for node in placed.layers()
        if node.whole.weights and (axes := axes_of(placed, node.weights, "channels"))
    }
    variables = {axes: f"by_{'_'.join(axes)}" for axes in cuts.values()}
    if len(variables) == 1:
        variables = dict.fromkeys(variables, "shard")
    initial_values = _initial_values(local.graph.without_loss(), {name: variables[cuts[name]] for name in cuts})
    mesh = " ".join(f"{axis.name}={axis.devices}" for axis in placed.mesh)
    devices = "1 device" if placed.devices == 1 else f"{placed.devices} devices"
    return replace(
        whole,
        name=placed.class_name,
        headline=f"{whole.name} on {devices}, {mesh}; comments give one image's shapes on a device.",
        notes=_exchange_table(placed),
        axes=[axis.name for axis in placed.mesh],
        layers=_submodules(local.torch),
        shards={name: in_tuple([f"self.{axis}" for axis in axes]) for axes, name in variables.items()},
        initial_values=initial_values,
        counts_images=local.counts_images,
        forward=forward_pass(local.graph, local.torch),
        imports={*_imports(local.torch, initial_values), "from alexc.runtime.parallel.mesh import Mesh"},
    )


def _images_to_outputs(graph: Graph) -> str:
    kind = "logits" if graph.heads else "outputs"
    last = graph.without_loss()[-1]
    return f"Images (N, {_spaced(graph.net.input.sizes)}) to {kind} (N, {_spaced(last.output.sizes)})"


def _separate_towers(graph: Graph) -> list[str]:
    """The layers whose towers read only their own maps."""
    apart = [row.layer for row in summary_rows(graph) if row.reads == "tower"]
    if not apart:
        return []
    towers = (
        f"Cut into {towers_text(graph.net.towers)} towers; in {list_in_words(apart)} a tower reads its own maps only."
    )
    return wrap(towers, LINE_LENGTH - _INDENT)


def _exchange_table(placed: PlacedGraph) -> list[str]:
    """One line per exchange: the layer that needs it, the collective, and the shape on a device before it."""
    in_loss = {head.layer.name for head in placed.graph.heads}

    def cells(exchange: Exchange) -> tuple[str, ...]:
        axis = placed.mesh[exchange.axis]
        reader = "the loss" if exchange.reader in in_loss else exchange.reader
        match exchange.before[exchange.axis]:
            case int(device):
                source = f"what device {device} has"
            case "whole":
                source = "what each device has"
            case part:
                source = f"each device's {part}"
        given = placed.local_shape(exchange.shape, exchange.before)
        return (reader, f"{exchange.transition.function} over {axis.name}", f"{source}, {given}")

    table = [cells(exchange) for exchange in placed.exchanges()]
    if not table:
        return ["No layer needs what another device makes."]
    widths = [max(len(row[column]) for row in table) for column in range(3)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in table]
    return ["What moves before a layer reads it:", *(f"    {line.rstrip()}" for line in lines)]


def _multipliers(nodes: list[Node]) -> dict[str, tuple[float, float]]:
    return {
        f"{attribute_of(node.layer.name)}.{parameter}": factors
        for node in nodes
        for parameter, factors in node.layer.kind.multipliers().items()
    }


def _norm_bounds(nodes: list[Node]) -> dict[str, tuple[float | None, float | None, str]]:
    return {
        f"{attribute_of(node.layer.name)}.weight": bounds
        for node in nodes
        if (bounds := node.layer.kind.norm_bounds()) is not None
    }


def _submodules(layers: Mapping[str, TorchLayer]) -> list[Submodule]:
    return [
        Submodule(attribute_of(name), layer.constructor)
        for name, layer in layers.items()
        if isinstance(layer, TorchModule)
    ]


def _initial_values(nodes: list[Node], shards: Mapping[str, str]) -> list[InitialValues]:
    return [
        InitialValues(
            name=attribute_of(node.layer.name),
            shard=shards.get(node.layer.name, ""),
            weight=construct(node.weights.start),
            bias=literal(node.weights.bias_start),
        )
        for node in nodes
        if node.weights is not None
    ]


def _forward_headline(graph: Graph) -> str:
    if not graph.heads:
        return f"What the last layer, {graph.nodes[-1].layer.name}, makes of the images."
    if len(graph.heads) == 1:
        head = graph.heads[0].layer.kind
        what = "class" if head.in_loss else "label"
        return f"The logits of each {what}: the {head.keyword} belongs to the loss."
    others = list_in_words([head.layer.line for head in graph.heads[1:]])
    return f"The logits of each class; in training also those of {others}."


def _imports(layers: Mapping[str, TorchLayer], initial_values: list[InitialValues]) -> set[str]:
    statements = {"from typing import ClassVar", "from torch import Tensor, nn"}
    statements |= {each for layer in layers.values() for each in layer.imports}
    for values in initial_values:
        statements |= {f"from {_INITIAL_VALUES} import {name}" for name in ("initialise", values.weight.function)}
    return statements


def construct(value: Arguments) -> TorchCall:
    """The call that makes the runtime's object with the same class name; arguments with default values are left out."""
    arguments: list[str] = []
    for name in value.fields():
        field = type(value).model_fields[name]
        text = literal(getattr(value, name))
        if name in value.positional and field.is_required():
            arguments.append(text)
        elif field.is_required() or getattr(value, name) != field.default:
            arguments.append(f"{name}={text}")
    return TorchCall(type(value).__name__, tuple(arguments))


def _spaced(sizes: tuple[int, ...]) -> str:
    return ", ".join(map(str, sizes))

"""The lines of one class of a generated file: the whole network, or what a device of a mesh computes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from textwrap import indent, wrap

from ..graph.graph import Graph, Node
from ..graph.summary import rows as summary_rows
from ..layers.arguments import Arguments
from ..layers.kind import TorchFunction, TorchJoin, TorchLayer, TorchModule, TorchOperator
from ..layers.python_text import LINE_LENGTH, call, in_tuple, literal
from ..net.expanded_parts import attribute_of
from ..placed_graph.local_graph import axes_of, local_graph
from ..placed_graph.placed_graph import Exchange, PlacedGraph
from ..text.diagnostics import list_in_words
from .forward_pass import forward_lines

_INITIAL = "alexc.runtime.layers.initial_values"


@dataclass(frozen=True)
class ModuleClass:
    """A class, in the pieces that the template puts together.

    Attributes:
        name: its name.
        doc_lines: its docstring.
        attribute_lines: its class attributes.
        signature: the parameters of its constructor.
        constructor_lines: the layers.
        initial_lines: the body of `reset_parameters`.
        returns: the type that `forward` returns.
        forward_headline: the docstring of `forward`.
        forward_lines: its body.
        imports: the import statements that it needs, one name each.
        calls: what it calls, as it is written.
    """

    name: str
    doc_lines: list[str]
    attribute_lines: list[str]
    signature: str
    constructor_lines: list[str]
    initial_lines: list[str]
    returns: str
    forward_headline: str
    forward_lines: list[str]
    imports: set[str]
    calls: set[str]


def whole_class(graph: Graph) -> ModuleClass:
    """The network on one device."""
    nodes = graph.without_loss()
    layers = {node.layer.name: node.layer.kind.torch(node.given[0], node.output) for node in nodes}
    return ModuleClass(
        name=graph.net.name,
        doc_lines=_docstring(f"{_images_to_outputs(graph)}; comments give one image's shapes.", _towers_apart(graph)),
        attribute_lines=_attribute_lines(graph, nodes),
        signature="self",
        constructor_lines=_constructor_lines(nodes, layers),
        initial_lines=_initial_lines(nodes, {}),
        returns=_returns(graph),
        forward_headline=_forward_headline(graph),
        forward_lines=forward_lines(graph, layers),
        imports=_imports(nodes, layers),
        calls=_calls(nodes, layers),
    )


def placed_class(placed: PlacedGraph) -> ModuleClass:
    """What each device of a mesh computes; its constructor takes the mesh."""
    local = local_graph(placed)
    graph, whole = local.graph, placed.graph
    nodes = graph.without_loss()
    shards = {
        node.local.layer.name: cut
        for node in placed.layers()
        if node.local.weights and (cut := axes_of(placed, node.weights, "channels"))
    }
    axes = [f'        self.{axis.name} = mesh["{axis.name}"]' for axis in placed.mesh]
    mesh = " ".join(f"{axis.name}={axis.devices}" for axis in placed.mesh)
    devices = "1 device" if placed.devices == 1 else f"{placed.devices} devices"
    headline = f"{whole.net.name} on {devices}, {mesh}; comments give one image's shapes on a device."
    return ModuleClass(
        name=placed.class_name,
        doc_lines=_docstring(headline, _exchange_table(placed)),
        attribute_lines=_attribute_lines(whole, whole.without_loss()),
        signature="self, mesh: Mesh",
        constructor_lines=[*axes, *_constructor_lines(nodes, local.torch)],
        initial_lines=_initial_lines(nodes, shards),
        returns=_returns(whole),
        forward_headline=_forward_headline(whole),
        forward_lines=[
            *(["        images = len(x)"] if local.counts_images else []),
            *forward_lines(graph, local.torch),
        ],
        imports={*_imports(nodes, local.torch), "from alexc.runtime.parallel.mesh import Mesh"},
        calls={*_calls(nodes, local.torch), *(["len"] if local.counts_images else [])},
    )


def _docstring(headline: str, rest: list[str]) -> list[str]:
    if not rest:
        return [f'    """{headline}"""']
    return [f'    """{headline}', "", *(indent(line, "    ") for line in rest), '    """']


def _images_to_outputs(graph: Graph) -> str:
    kind = "logits" if graph.heads else "outputs"
    last = graph.without_loss()[-1]
    return f"Images (N, {_spaced(graph.net.input.sizes)}) to {kind} (N, {_spaced(last.output.sizes)})"


def _towers_apart(graph: Graph) -> list[str]:
    """Which layers see one tower only."""
    apart = [row.layer for row in summary_rows(graph) if row.reads == "tower"]
    if not apart:
        return []
    towers = f"Cut into {graph.net.towers} towers; in {list_in_words(apart)} a tower reads its own maps only."
    return wrap(towers, LINE_LENGTH - 4)


def _exchange_table(placed: PlacedGraph) -> list[str]:
    """Before which layer what moves, with the shape of one image's tensor on a device before it does."""
    in_loss = {head.layer.name for head in placed.graph.heads}

    def cells(exchange: Exchange) -> tuple[str, ...]:
        axis = placed.mesh[exchange.axis]
        reader = "the loss" if exchange.reader in in_loss else exchange.reader
        match exchange.before[exchange.axis]:
            case int(device):
                lies = f"what device {device} has"
            case "whole":
                lies = "what each device has"
            case part:
                lies = f"each device's {part}"
        given = placed.local_shape(exchange.shape, exchange.before)
        return (reader, f"{exchange.transition.function} over {axis.name}", f"{lies}, {given}")

    table = [cells(exchange) for exchange in placed.exchanges()]
    if not table:
        return ["No layer needs what another device makes."]
    widths = [max(len(row[column]) for row in table) for column in range(3)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in table]
    return ["What moves before a layer reads it:", *(f"    {line.rstrip()}" for line in lines)]


def _attribute_lines(graph: Graph, nodes: list[Node]) -> list[str]:
    """What the runtime asks the class: the images' shape, the optimiser's multipliers, the shares of the heads."""
    lines = [f"    input_shape: ClassVar[tuple[int, int, int]] = {graph.net.input.sizes!r}"]
    items = [
        f'"{attribute_of(node.layer.name)}.{parameter}": ({literal(rate)}, {literal(decay)})'
        for node in nodes
        for parameter, (rate, decay) in node.layer.kind.multipliers().items()
    ]
    if items:
        lines += ["    multipliers: ClassVar[dict[str, tuple[float, float]]] = {"]
        lines += [*(f"        {item}," for item in items), "    }"]
    if len(graph.heads) > 1:
        shares = ", ".join(literal(head.layer.kind.share_of_loss) for head in graph.heads)
        lines.append(f"    head_shares: ClassVar[tuple[float, ...]] = ({shares})")
    return lines


def _constructor_lines(nodes: list[Node], layers: Mapping[str, TorchLayer]) -> list[str]:
    lines: list[str] = []
    for node in nodes:
        layer = layers[node.layer.name]
        if isinstance(layer, TorchModule):
            made = layer.constructor
            lines += call(made.function, made.arguments, 8, f"self.{attribute_of(node.layer.name)} = ")
    return lines


def _initial_lines(nodes: list[Node], shards: Mapping[str, tuple[str, ...]]) -> list[str]:
    """A call a layer; `shards` are the axes that cut the weights of each, where any does."""
    cuts = dict.fromkeys(shards.values())
    variables = {axes: "shard" if len(cuts) == 1 else f"by_{'_'.join(axes)}" for axes in cuts}
    lines = [f"        {name} = {in_tuple([f'self.{axis}' for axis in axes])}" for axes, name in variables.items()]
    for node in nodes:
        if node.weights is not None:
            name = attribute_of(node.layer.name)
            shard = [variables[shards[node.layer.name]]] if node.layer.name in shards else []
            start = [f"weight={construct(node.weights.start)}", f"bias={literal(node.weights.bias_start)}"]
            lines += call("initialise", [f"self.{name}", f'"{name}"', "seed", *shard, *start], 8)
    return lines


def _returns(graph: Graph) -> str:
    return "Tensor | tuple[Tensor, ...]" if len(graph.heads) > 1 else "Tensor"


def _forward_headline(graph: Graph) -> str:
    if not graph.heads:
        return f"What the last layer, {graph.nodes[-1].layer.name}, makes of the images."
    if len(graph.heads) == 1:
        return "The logits of each class: the softmax belongs to the loss."
    others = list_in_words([head.layer.line for head in graph.heads[1:]])
    return f"The logits of each class; in training also those of {others}."


def _imports(nodes: list[Node], layers: Mapping[str, TorchLayer]) -> set[str]:
    statements = {"from typing import ClassVar", "from torch import Tensor, nn"}
    statements |= {each for layer in layers.values() for each in layer.imports}
    return statements | {f"from {_INITIAL} import {name}" for name in _initial_names(nodes)}


def _calls(nodes: list[Node], layers: Mapping[str, TorchLayer]) -> set[str]:
    calls = {f"self.{attribute_of(name)}" for name in layers} | _initial_names(nodes)
    for layer in layers.values():
        match layer:
            case TorchModule(constructor, _, before, calls_within):
                calls |= {constructor.function, *calls_within} | ({before.function} if before else set())
            case TorchFunction(made) | TorchJoin(made):
                calls.add(made.function)
            case TorchOperator():
                pass
    return calls


def _initial_names(nodes: list[Node]) -> set[str]:
    distributions = {type(node.weights.start).__name__ for node in nodes if node.weights}
    return distributions | {"initialise"} if distributions else set()


def construct(value: Arguments) -> str:
    """A call that makes the runtime's value of the same name; what equals the default is left out."""
    fields = type(value).model_fields
    arguments: list[str] = []
    for name, field in fields.items():
        text = literal(getattr(value, name))
        if name in value.positional and field.is_required():
            arguments.append(text)
        elif field.is_required() or getattr(value, name) != field.default:
            arguments.append(f"{name}={text}")
    return f"{type(value).__name__}({', '.join(arguments)})"


def _spaced(sizes: tuple[int, ...]) -> str:
    return ", ".join(map(str, sizes))

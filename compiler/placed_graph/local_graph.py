"""PlacedGraph to the graph that each device computes, in which exchanges are layers too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from ..graph.graph import Graph, Node
from ..layers.kind import Kind, OnMesh, Shape, TorchCall, TorchFunction, TorchLayer, TorchModule
from ..layers.python_text import in_tuple
from ..net.net import Layer
from .placed_graph import Exchange, Layout, PlacedGraph, PlacedLayer, Transition

_DIMENSIONS = {"images": 0, "channels": 1}
_FROM_ONE_DEVICE = (Transition.SCATTER, Transition.BROADCAST, Transition.BROADCAST_WHOLE, Transition.SEND)


@dataclass(frozen=True)
class LocalGraph:
    """The graph that each device computes.

    Attributes:
        graph: the network with the shapes and counts on one device.
        torch: the PyTorch form of each layer, by name.
        counts_images: whether the forward pass needs the number of images, because a device that holds no part of a
            tensor cannot read the number from its shape.
    """

    graph: Graph
    torch: Mapping[str, TorchLayer]
    counts_images: bool


def local_graph(placed: PlacedGraph) -> LocalGraph:
    """The graph of a device. A layer that is kept on one device has the shapes of that device for all of them."""
    nodes: list[Node] = []
    torch: dict[str, TorchLayer] = {}
    shapes: dict[str | None, Shape] = {None: placed.local_shape(placed.graph.net.input, placed.input)}
    for node in placed.nodes:
        if isinstance(node, Exchange):
            made = _exchange_node(node, shapes[node.reads], placed)
            torch[node.name] = made.layer.kind.torch(made.given[0], made.output)
        else:
            made = node.local
            torch[made.layer.name] = _torch(node, placed)
        nodes.append(made)
        shapes[made.layer.name] = made.output
    heads = [
        replace(head, layer=replace(head.layer, inputs=(read,)), given=(shapes[read],), output=shapes[read])
        for head, read in zip(placed.graph.heads, placed.outputs, strict=False)
    ]
    nodes += [*heads[1:], *heads[:1]]  # the main head is last, as in the whole network
    counts = any(exchange.transition in _FROM_ONE_DEVICE for exchange in placed.exchanges())
    return LocalGraph(Graph(placed.graph.net, tuple(nodes)), torch, counts)


def axes_of(placed: PlacedGraph, layout: Layout, part: str) -> tuple[str, ...]:
    """The names of the axes on which a layout has this part, the outermost first."""
    return tuple(axis.name for axis, each in zip(placed.mesh, layout, strict=True) if each == part)


class _ExchangeCall(Kind):
    """An exchange as a kind of layer: a call of a function of the runtime's `module`."""

    keyword: ClassVar[str] = "exchange"

    module: str
    function: str
    arguments: tuple[str, ...]

    def output(self, given: Shape, towers: int) -> Shape:  # noqa: ARG002
        """The shape stays: `_exchange_node` sets the one after the exchange."""
        return given

    def torch(self, given: Shape, output: Shape) -> TorchFunction:  # noqa: ARG002
        """The call of the runtime's function."""
        return TorchFunction(
            TorchCall(f"{self.module}.{self.function}", self.arguments),
            (f"from alexc.runtime.parallel import {self.module}",),
        )


def _exchange_node(exchange: Exchange, given: Shape, placed: PlacedGraph) -> Node:
    kind = _ExchangeCall(
        module="half_exchange" if placed.placement.half else "exchange",
        function=exchange.transition.function,
        arguments=tuple(_arguments(exchange, placed)),
    )
    span = placed.placement.span
    layer = Layer(exchange.name, exchange.name, exchange.statement, kind, (exchange.reads,), span, {}, span)
    return Node(layer, (given,), placed.after(exchange), None, 0, 0)


def _arguments(exchange: Exchange, placed: PlacedGraph) -> list[str]:
    """The arguments of the call after the tensor."""
    before, after = exchange.before[exchange.axis], exchange.after[exchange.axis]
    arguments = [f"self.{placed.mesh[exchange.axis].name}"]
    match exchange.transition:
        case Transition.WITH_HALO:
            below, above = exchange.halo
            arguments += [f"below={below}", f"above={above}"]
        case Transition.ALL_TO_ALL:
            arguments += [f"split={_DIMENSIONS[str(after)]}", f"gather={_DIMENSIONS[str(before)]}"]
        case Transition.SEND:
            arguments += [f"source={before}", f"target={after}"]
        case Transition.SPREAD:
            pass
        case _:
            split = before if before in _DIMENSIONS else after
            arguments += [f"dim={_DIMENSIONS[str(split)]}"] if split in _DIMENSIONS else []
            arguments += [f"device={part}" for part in (before, after) if isinstance(part, int)]
    if exchange.transition in _FROM_ONE_DEVICE:
        arguments.append(f"images={_images_in_group(exchange, placed)}")
    return arguments


def _images_in_group(exchange: Exchange, placed: PlacedGraph) -> str:
    """Python for the number of images in the tensor, given `images`, the number that `forward` gets.

    If another axis keeps the tensor on one of its devices, the number is 0 on the others.
    """
    of_input, of_tensor = placed.parts(placed.input, "images"), placed.parts(exchange.before, "images")
    if of_input == of_tensor:
        images = "images"
    else:
        images = f"{of_input // of_tensor} * images" if of_input > of_tensor else f"images // {of_tensor // of_input}"
    kept = [
        f"(self.{axis.name}.index == {part})"
        for number, (axis, part) in enumerate(zip(placed.mesh, exchange.before, strict=True))
        if number != exchange.axis and isinstance(part, int) and axis.devices > 1
    ]
    return " * ".join([images, *kept])


def _torch(node: PlacedLayer, placed: PlacedGraph) -> TorchLayer:
    """The PyTorch form of a device's part of a layer; `only_on` makes a module on the device that keeps it."""
    place = OnMesh(
        tuple(f"self.{axis}" for axis in axes_of(placed, node.layout, "images")),
        tuple(f"self.{axis}" for axis in axes_of(placed, node.layout, "channels")),
        node.halo,
    )
    local = node.local
    layer = local.layer.kind.torch_on_mesh(local.given[0], local.output, place)
    if not isinstance(layer, TorchModule) or local.weights is None:
        return layer
    for axis, part in zip(placed.mesh, node.layout, strict=True):
        if isinstance(part, int):
            output = f"output={in_tuple([str(size) for size in local.output.sizes])}"
            layer = replace(
                layer,
                constructor=TorchCall("only_on", (f"self.{axis.name}", str(part), layer.constructor, output)),
                imports=(*layer.imports, "from alexc.runtime.layers.only_on import only_on"),
            )
    return layer

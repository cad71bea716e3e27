"""The fourth stage: the graph on a mesh. What each device computes, and where data must move between devices."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from math import prod
from typing import Literal

from ..graph.graph import Graph, Node
from ..layers.kind import Shape
from ..net.net import Axis, Placement

# How a tensor lies on one axis of the mesh: whole on each device, cut by images or by channels, or on the one device of
# this number. A tensor's gradient always lies as the tensor does.
Part = Literal["whole", "images", "channels"] | int
Layout = tuple[Part, ...]  # one part an axis, outermost first

# What a device sends in one direction of an exchange.
Collective = Literal[
    "all-gather", "reduce-scatter", "all-reduce", "all-to-all", "gather", "scatter", "broadcast", "reduce", "send"
]


class Transition(Enum):
    """The ways in which a tensor moves: the runtime's function, and what it sends forward and backward."""

    ALL_GATHER = ("all_gather", "all-gather", "reduce-scatter")
    ALL_GATHER_WHOLE = ("all_gather_whole", "all-gather", None)
    SPREAD = ("spread", None, "all-reduce")
    OWN_PART = ("own_part", None, "all-gather")
    ALL_TO_ALL = ("all_to_all", "all-to-all", "all-to-all")
    GATHER = ("gather", "gather", "scatter")
    SCATTER = ("scatter", "scatter", "gather")
    BROADCAST = ("broadcast", "broadcast", "reduce")
    BROADCAST_WHOLE = ("broadcast_whole", "broadcast", None)
    KEEP_ON = ("keep_on", None, "broadcast")
    SEND = ("send", "send", "send")
    WITH_HALO = ("with_halo", "all-to-all", "all-to-all")

    def __init__(self, function: str, forward: Collective | None, backward: Collective | None) -> None:
        self.function, self.forward, self.backward = function, forward, backward


@dataclass(frozen=True)
class Exchange:
    """A place where a tensor changes its layout on one axis of the mesh.

    Attributes:
        name: its name among the nodes.
        reads: the node whose tensor it moves; None for the input.
        reader: the name of the layer that it was made for; the network's name where that is the loss.
        statement: the line of the spec that this layer stands in.
        transition: how it moves.
        axis: the number of the axis, counted from the outermost.
        before: how the tensor lies.
        after: how it lies afterwards.
        shape: the whole tensor, for one image.
        halo: with `WITH_HALO`, how many maps come from the device before and from the one after.
        has_gradient: whether a gradient comes back; the images need none.
    """

    name: str
    reads: str | None
    reader: str
    statement: str
    transition: Transition
    axis: int
    before: Layout
    after: Layout
    shape: Shape
    has_gradient: bool
    halo: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class PlacedLayer:
    """A layer on the mesh.

    Attributes:
        whole: the layer as it is on one device.
        local: what a device that has it computes, reading the shapes that lie there; its inputs may be exchanges.
        layout: how its output lies.
        weights: how its weights and their gradients lie: cut by channels (along dimension 0), whole, or on one device.
        halo: maps of the neighbours that it reads beside its own.
    """

    whole: Node
    local: Node
    layout: Layout
    weights: Layout
    halo: tuple[int, int]

    @property
    def summed(self) -> tuple[int, ...]:
        """The axes over which the gradients of its weights are summed: those that cut the images."""
        return tuple(axis for axis, part in enumerate(self.layout) if part == "images") if self.whole.weights else ()


@dataclass(frozen=True)
class PlacedGraph:
    """A network on a mesh of devices.

    Attributes:
        graph: the network.
        placement: what the spec says.
        nodes: layers and exchanges in the order in which they run; the heads, which belong to the loss, are left out.
        input: how the images lie: whole, or cut by images.
        loss: how the loss and the labels lie.
        outputs: the nodes that the loss reads, the main head's first.
    """

    graph: Graph
    placement: Placement
    nodes: tuple[PlacedLayer | Exchange, ...]
    input: Layout
    loss: Layout
    outputs: tuple[str, ...]

    @property
    def class_name(self) -> str:
        """The name of the generated class."""
        return placed_name(self.graph.net.name, self.placement.name)

    @property
    def mesh(self) -> tuple[Axis, ...]:
        """The axes, outermost first."""
        return self.placement.mesh

    @property
    def devices(self) -> int:
        """How many devices there are."""
        return self.placement.devices

    def layers(self) -> Iterator[PlacedLayer]:
        """The layers alone."""
        return (node for node in self.nodes if isinstance(node, PlacedLayer))

    def exchanges(self) -> Iterator[Exchange]:
        """The exchanges alone."""
        return (node for node in self.nodes if isinstance(node, Exchange))

    def coordinates(self, device: int) -> tuple[int, ...]:
        """Where a device stands on each axis; the innermost axis counts fastest."""
        places: list[int] = []
        for axis in reversed(self.mesh):
            places.append(device % axis.devices)
            device //= axis.devices
        return tuple(reversed(places))

    def cut_into(self, layout: Layout, part: Part) -> int:
        """Into how many parts a layout cuts the images, or the channels."""
        return prod(axis.devices for axis, lies in zip(self.mesh, layout, strict=True) if lies == part)

    def local_shape(self, shape: Shape, layout: Layout) -> Shape:
        """What a device that has some of it holds of one image's tensor."""
        return shape.share(self.cut_into(layout, "channels"))

    def after(self, exchange: Exchange) -> Shape:
        """What an exchange leaves on a device that has some of it, of one image."""
        made = self.local_shape(exchange.shape, exchange.after)
        return Shape((made.channels + sum(exchange.halo), *made.sizes[1:]), made.towers)

    def is_held(self, layout: Layout, coordinates: tuple[int, ...]) -> bool:
        """Whether the device at these coordinates has any of a tensor that lies so."""
        return all(not isinstance(part, int) or part == place for part, place in zip(layout, coordinates, strict=True))

    def verify(self) -> None:
        """Check what every later stage relies on: each node reads what lies on its device in the layout it needs."""
        layouts: dict[str | None, Layout] = {None: self.input}
        shapes: dict[str | None, Shape] = {None: self.local_shape(self.graph.net.input, self.input)}
        for node in self.nodes:
            if isinstance(node, Exchange):
                name, made = node.name, self.after(node)
                assert layouts[node.reads] == node.before, f"{name} moves a tensor that lies otherwise"
                assert node.before[: node.axis] == node.after[: node.axis], f"{name} moves over another axis"
                assert node.before[node.axis + 1 :] == node.after[node.axis + 1 :], f"{name} moves over another axis"
                layouts[name] = node.after
            else:
                name, made = node.local.layer.name, node.local.output
                reads = [shapes[each].sizes for each in node.local.layer.inputs]
                assert reads == [shape.sizes for shape in node.local.given], f"{name} reads {reads} on a device"
                assert made.sizes == self.local_shape(node.whole.output, node.layout).sizes, f"{name} makes {made}"
                layouts[name] = node.layout
            assert name not in shapes, f"{name} is made twice"
            shapes[name] = made
        assert {layouts[name] for name in self.outputs} == {self.loss}


def placed_name(network: str, placement: str) -> str:
    """The class of a network on a mesh: `AlexNet` and `two_gpus` make `AlexNetTwoGpus`."""
    return network + "".join(word[:1].upper() + word[1:] for word in placement.split("_"))

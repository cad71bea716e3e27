"""The graph on a mesh of devices: what each device computes, and where data moves between devices.

Each tensor has a layout: for each axis of the mesh, which part of the tensor a device of that axis holds. Take the
output of a layer, (N, channels, height, width), on an axis with 2 devices:

- "whole": each device holds all of it. Both have computed the same.
- "images": device 0 holds the first N/2 images, device 1 the others. This is data parallelism.
- "channels": device 0 holds the first half of the channels for all images, device 1 the others.
- 1: device 1 holds all of it, device 0 holds nothing.

A layer computes in one layout. If the output that it reads has another layout, an exchange between the two converts it:
for example, an all-gather turns "channels" into "whole" for a convolution that reads all maps. The gradient of a tensor
has the same layout as the tensor. This rule decides what each exchange does in the backward pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from math import prod
from typing import Literal

from ..graph.graph import Graph, Node
from ..layers.kind import Shape
from ..net.net import Axis, Placement

Part = Literal["whole", "images", "channels"] | int  # the part of a tensor that a device of one axis holds
Layout = tuple[Part, ...]  # one part per axis, the outermost axis first

Collective = Literal[
    "all-gather", "reduce-scatter", "all-reduce", "all-to-all", "gather", "scatter", "broadcast", "reduce", "send"
]


class Transition(Enum):
    """The ways to change the layout of a tensor on one axis.

    Each has the function in `alexc.runtime.parallel.exchange` and the collectives of the forward and the backward pass.

    Where the result is "whole", the backward pass depends on the reader. If the reader splits its kernels, each device
    has only a partial gradient of the input, and the devices must sum them. If all devices compute the same, each has
    the full gradient, and nothing is sent; the names of these end in `_WHOLE`.
    """

    # images or channels -> whole

    ALL_GATHER = ("all_gather", "all-gather", "reduce-scatter")
    ALL_GATHER_WHOLE = ("all_gather_whole", "all-gather", None)
    # whole -> whole, for a reader that splits its kernels: only the gradients need a sum
    SPREAD = ("spread", None, "all-reduce")
    # whole -> images or channels
    OWN_PART = ("own_part", None, "all-gather")
    # images -> channels, or channels -> images
    ALL_TO_ALL = ("all_to_all", "all-to-all", "all-to-all")
    # images or channels -> one device
    GATHER = ("gather", "gather", "scatter")
    # one device -> images or channels
    SCATTER = ("scatter", "scatter", "gather")
    # one device -> whole
    BROADCAST = ("broadcast", "broadcast", "reduce")
    BROADCAST_WHOLE = ("broadcast_whole", "broadcast", None)
    # whole -> one device
    KEEP_ON = ("keep_on", None, "broadcast")
    # one device -> another one
    SEND = ("send", "send", "send")
    # channels -> channels with some channels of the neighbouring devices, for local response normalisation
    WITH_HALO = ("with_halo", "all-to-all", "all-to-all")

    def __init__(self, function: str, forward: Collective | None, backward: Collective | None) -> None:
        self.function = function
        self.forward: Collective | None = forward
        self.backward: Collective | None = backward


@dataclass(frozen=True)
class Exchange:
    """A node that changes the layout of a tensor on one axis of the mesh.

    Attributes:
        name: the name of this node.
        reads: the name of the node whose output it moves; None for the input.
        reader: the name of the first layer that needs it; for the loss, the name of the head.
        statement: the statement of the spec with that layer.
        transition: how the layout changes.
        axis: the index of the axis; 0 is the outermost.
        before: the layout before.
        after: the layout after.
        shape: the shape of the whole tensor per image.
        has_gradient: whether there is a gradient in the backward pass; the input images have none.
        halo: for `WITH_HALO`, the number of channels from the device before and from the device after.
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
        whole: the layer as on a single device.
        local: the part that one device computes, with the shapes on that device; its inputs may be exchanges.
        layout: the layout of its output.
        weights: the layout of its weights and their gradients: "whole", "channels" (split along dimension 0) or a
            device; never "images".
        halo: the number of channels that it reads from the device before and from the device after.
    """

    whole: Node
    local: Node
    layout: Layout
    weights: Layout
    halo: tuple[int, int]

    @property
    def summed(self) -> tuple[int, ...]:
        """The axes over which the gradients of its weights are summed: those that split the images."""
        return tuple(axis for axis, part in enumerate(self.layout) if part == "images") if self.whole.weights else ()


@dataclass(frozen=True)
class PlacedGraph:
    """A network on a mesh of devices.

    Attributes:
        graph: the network on a single device.
        placement: the `placement` block of the spec.
        nodes: layers and exchanges in the order in which they run, without the heads, which belong to the loss.
        input: the layout of the images: "whole" or "images" on each axis.
        loss: the layout of the labels and the loss.
        outputs: the names of the nodes that the loss reads; the main head comes first.
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
        """The number of devices."""
        return self.placement.devices

    def layers(self) -> Iterator[PlacedLayer]:
        """The nodes that are layers."""
        return (node for node in self.nodes if isinstance(node, PlacedLayer))

    def exchanges(self) -> Iterator[Exchange]:
        """The nodes that are exchanges."""
        return (node for node in self.nodes if isinstance(node, Exchange))

    def coordinates(self, device: int) -> tuple[int, ...]:
        """The index of a device on each axis; the innermost axis varies fastest."""
        indices: list[int] = []
        for axis in reversed(self.mesh):
            indices.append(device % axis.devices)
            device //= axis.devices
        return tuple(reversed(indices))

    def parts(self, layout: Layout, dimension: Literal["images", "channels"]) -> int:
        """The number of parts into which a layout splits the images, or the channels."""
        return prod(axis.devices for axis, part in zip(self.mesh, layout, strict=True) if part == dimension)

    def local_shape(self, shape: Shape, layout: Layout) -> Shape:
        """The shape per image on a device that holds a part of a tensor of this shape."""
        return shape.share(self.parts(layout, "channels"))

    def after(self, exchange: Exchange) -> Shape:
        """The shape per image after an exchange, on a device that holds a part of the result."""
        part = self.local_shape(exchange.shape, exchange.after)
        return Shape((part.channels + sum(exchange.halo), *part.sizes[1:]), part.towers)

    def is_held(self, layout: Layout, coordinates: tuple[int, ...]) -> bool:
        """Whether the device at these coordinates holds any part of a tensor with this layout."""
        return all(not isinstance(part, int) or part == index for part, index in zip(layout, coordinates, strict=True))

    def verify(self) -> None:
        """Check what later stages rely on: the inputs of each node have the shape and the layout that it expects."""
        layouts: dict[str | None, Layout] = {None: self.input}
        shapes: dict[str | None, Shape] = {None: self.local_shape(self.graph.net.input, self.input)}
        for node in self.nodes:
            if isinstance(node, Exchange):
                name, made = node.name, self.after(node)
                assert layouts[node.reads] == node.before, f"{name} reads a tensor with another layout"
                assert node.before[: node.axis] == node.after[: node.axis], f"{name} changes another axis"
                assert node.before[node.axis + 1 :] == node.after[node.axis + 1 :], f"{name} changes another axis"
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
    """The class name of a network on a mesh: `AlexNet` and `two_gpus` become `AlexNetTwoGpus`."""
    return network + "".join(word[:1].upper() + word[1:] for word in placement.split("_"))

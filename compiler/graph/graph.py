"""The third stage: every layer with its shape and its counts."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from ..layers.kind import Shape, Weights
from ..net.net import Layer, Net


@dataclass(frozen=True)
class Node:
    """A layer that knows what it reads and makes.

    Attributes:
        layer: the layer as resolved.
        given: the shapes that it reads.
        output: the shape that it makes.
        weights: its parameters, or None.
        neurons: its units, 0 for layers without weights.
        multiply_adds: for one image, 0 for layers without weights.
    """

    layer: Layer
    given: tuple[Shape, ...]
    output: Shape
    weights: Weights | None
    neurons: int
    multiply_adds: int

    @property
    def weight_count(self) -> int:
        """The number of weights, without the biases."""
        return prod(self.weights.shape) if self.weights else 0

    @property
    def bias_count(self) -> int:
        """The number of biases."""
        return self.weights.biases if self.weights else 0


@dataclass(frozen=True)
class Graph:
    """A network whose shapes are all known."""

    net: Net
    nodes: tuple[Node, ...]

    @property
    def parameters(self) -> int:
        """All weights and biases."""
        return sum(node.weight_count + node.bias_count for node in self.nodes)

    @property
    def neurons(self) -> int:
        """All units of layers with weights."""
        return sum(node.neurons for node in self.nodes)

    @property
    def multiply_adds(self) -> int:
        """For one image."""
        return sum(node.multiply_adds for node in self.nodes)

    @property
    def heads(self) -> tuple[Node, ...]:
        """The layers that belong to the loss: the last one, then the others that nothing reads, in order.

        Empty where the network does not end in one.
        """
        if not self.nodes or not self.nodes[-1].layer.kind.in_loss or len(self.nodes) == 1:
            return ()
        read = self.read_names()
        others = [node for node in self.nodes[:-1] if node.layer.kind.in_loss and node.layer.name not in read]
        return (self.nodes[-1], *others)

    def read_names(self) -> set[str | None]:
        """The names of all layers that another one reads; None for the input."""
        return {name for node in self.nodes for name in node.layer.inputs}

    def without_loss(self) -> list[Node]:
        """The nodes of the forward pass: all but the heads."""
        heads = {head.layer.name for head in self.heads}
        return [node for node in self.nodes if node.layer.name not in heads]

    def for_further_heads(self) -> set[str]:
        """The names of the layers that the last layer does not depend on: they serve the other heads alone."""
        needed = {self.nodes[-1].layer.name, *self.nodes[-1].layer.inputs}
        for node in reversed(self.nodes):
            if node.layer.name in needed:
                needed.update(node.layer.inputs)
        return {node.layer.name for node in self.nodes} - needed

    def statements(self) -> dict[str, list[Node]]:
        """The nodes by the statement of the spec that they stand in, in order."""
        groups: dict[str, list[Node]] = {}
        for node in self.nodes:
            groups.setdefault(node.layer.statement, []).append(node)
        return groups

    def verify(self) -> None:
        """Check what every later stage relies on: each node reads exactly what earlier ones make."""
        made: dict[str | None, Shape] = {None: self.net.input}
        for node in self.nodes:
            assert node.layer.name not in made, f"{node.layer.name} is made twice"
            reads = tuple(made[name] for name in node.layer.inputs)
            assert reads == node.given, f"{node.layer.name} reads another shape than is made"
            assert all(size > 0 for size in node.output.sizes), f"{node.layer.name} makes nothing"
            made[node.layer.name] = node.output

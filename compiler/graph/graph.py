"""The graph: every layer of a network with its shapes and counts."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from ..layers.kind import Shape, Weights
from ..net.net import Layer, Net
from ..recipe.steps import CrossEntropy


@dataclass(frozen=True)
class Node:
    """A layer with the shapes of its inputs and its output. All shapes and counts are per image.

    Attributes:
        layer: the layer.
        given: the shapes of its inputs.
        output: the shape of its output.
        weights: its parameters, or None.
        neurons: its output units; 0 for a layer without weights.
        multiply_adds: its multiply-adds; 0 for a layer without weights.
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
    """A network with the shapes of all layers; each node comes after the nodes that it reads."""

    net: Net
    nodes: tuple[Node, ...]

    @property
    def parameters(self) -> int:
        """The number of weights and biases of all layers."""
        return sum(node.weight_count + node.bias_count for node in self.nodes)

    @property
    def neurons(self) -> int:
        """The number of output units of all layers with weights."""
        return sum(node.neurons for node in self.nodes)

    @property
    def multiply_adds(self) -> int:
        """The multiply-adds of all layers per image."""
        return sum(node.multiply_adds for node in self.nodes)

    @property
    def heads(self) -> tuple[Node, ...]:
        """The `softmax` layers that belong to the loss: the last layer first, then the others that nothing reads.

        Empty if the network does not end in such a layer. A recipe can have a loss with another last layer, or none.
        """
        if len(self.nodes) < 2:
            return ()
        recipe, last = self.net.recipe, self.nodes[-1].layer.kind
        if recipe is not None and not isinstance(recipe.loss, CrossEntropy):
            return self.nodes[-1:] if last.keyword == recipe.loss.activation else ()
        if not last.in_loss:
            return ()
        read = self.read_names()
        others = [node for node in self.nodes[:-1] if node.layer.kind.in_loss and node.layer.name not in read]
        return (self.nodes[-1], *others)

    def read_names(self) -> set[str | None]:
        """The names of all layers that another layer reads; None stands for the input."""
        return {name for node in self.nodes for name in node.layer.inputs}

    def without_loss(self) -> list[Node]:
        """The nodes of the forward pass: all except the heads."""
        heads = {head.layer.name for head in self.heads}
        return [node for node in self.nodes if node.layer.name not in heads]

    def for_further_heads(self) -> set[str]:
        """The names of the layers that the last layer does not depend on: only the other heads need them."""
        needed = {self.nodes[-1].layer.name, *self.nodes[-1].layer.inputs}
        for node in reversed(self.nodes):
            if node.layer.name in needed:
                needed.update(node.layer.inputs)
        return {node.layer.name for node in self.nodes} - needed

    def statements(self) -> dict[str, list[Node]]:
        """The nodes of each statement of the spec, in order."""
        groups: dict[str, list[Node]] = {}
        for node in self.nodes:
            groups.setdefault(node.layer.statement, []).append(node)
        return groups

    def verify(self) -> None:
        """Check what later stages rely on: the inputs of each node are outputs of earlier nodes, with equal shapes."""
        made: dict[str | None, Shape] = {None: self.net.input}
        for node in self.nodes:
            assert node.layer.name not in made, f"{node.layer.name} is made twice"
            reads = tuple(made[name] for name in node.layer.inputs)
            assert reads == node.given, f"{node.layer.name} expects other shapes than its inputs have"
            assert all(size > 0 for size in node.output.sizes), f"{node.layer.name} has an empty output"
            made[node.layer.name] = node.output

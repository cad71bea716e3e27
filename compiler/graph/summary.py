"""The numbers of `alexc summary`: the counts of every statement, and their sums."""

from __future__ import annotations

from dataclasses import dataclass

from ..garbage import gc_paused
from ..layers.convolving import Convolving
from .graph import Graph, Node


@dataclass(frozen=True)
class Row:
    """A statement of the spec. Counts are sums over its layers, per image.

    Attributes:
        layer: the name of the statement.
        kind: the keyword of its first layer.
        reads: the input of the first layer: `image`, `all` maps, those of its own `tower`, or "".
        output: the output shape of the first layer.
        then: the keywords of the other layers.
        leaves: the output shape of the last layer.
        weights: weights without biases.
        biases: biases.
        neurons: output units of layers with weights.
        multiply_adds: multiply-adds.
    """

    layer: str
    kind: str
    reads: str
    output: str
    then: str
    leaves: str
    weights: int
    biases: int
    neurons: int
    multiply_adds: int


@gc_paused()
def rows(graph: Graph) -> list[Row]:
    """One row per statement, in the order of the spec."""
    return [_row(graph, name, nodes) for name, nodes in graph.statements().items()]


def total(graph: Graph) -> Row:
    """A row with the sums over all layers."""
    return Row(
        layer="total",
        kind="",
        reads="",
        output="",
        then="",
        leaves="",
        weights=sum(node.weight_count for node in graph.nodes),
        biases=sum(node.bias_count for node in graph.nodes),
        neurons=graph.neurons,
        multiply_adds=graph.multiply_adds,
    )


def note_of_unread_pixels(graph: Graph) -> str:
    """A sentence about the rows and columns of the image that a first layer does not read, or ""."""
    _, height, width = graph.net.input.sizes if len(graph.net.input.sizes) == 3 else (0, 0, 0)
    for node in graph.nodes:
        kind = node.layer.kind
        if node.layer.inputs == (None,) and isinstance(kind, Convolving):
            rows, columns = kind.unread(graph.net.input)
            if rows or columns:
                down, right = kind.stride
                whole = f"{height + (down - rows if rows else 0)}x{width + (right - columns if columns else 0)}"
                edges = [f"{n} {edge}{'s' * (n > 1)}" for n, edge in ((rows, "row"), (columns, "column")) if n]
                return f"{node.layer.name} leaves {' and '.join(edges)} of the image unread; it reads all of {whole}"
    return ""


def _row(graph: Graph, name: str, nodes: list[Node]) -> Row:
    first = nodes[0]
    return Row(
        layer=name,
        kind=first.layer.kind.keyword,
        reads=_reads(graph, first),
        output=str(first.output),
        then=" ".join(node.layer.kind.keyword for node in nodes[1:]),
        leaves=str(nodes[-1].output),
        weights=sum(node.weight_count for node in nodes),
        biases=sum(node.bias_count for node in nodes),
        neurons=sum(node.neurons for node in nodes),
        multiply_adds=sum(node.multiply_adds for node in nodes),
    )


def _reads(graph: Graph, node: Node) -> str:
    if node.layer.inputs == (None,):
        return "image"
    reads = getattr(node.layer.kind, "reads", None)
    return str(reads) if reads and graph.net.towers > 1 else ""

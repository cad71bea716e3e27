"""Net to Graph: computes the shapes and counts of every layer. It knows no particular kind of layer."""

from __future__ import annotations

from collections.abc import Mapping

from ..layers.kind import Join, Shape, ShapeError
from ..net.net import Layer, Net
from ..text.diagnostics import MOST_ERRORS, Diagnostic, Label, list_in_words
from ..text.source import Span
from .graph import Graph, Node

MOST_PARAMETERS = 10**11  # the default limit
MANY_PARAMETERS = 10**9  # a larger network gets a warning


def infer_shapes(net: Net, most_parameters: int) -> tuple[Graph | None, list[Diagnostic]]:
    """Compute the shapes of all layers, in order.

    A layer that reads the output of a layer with an error has no known input shape and is skipped. A network with more
    than `most_parameters` parameters is an error. Warnings may come together with a graph.
    """
    made: dict[str | None, Shape] = {None: net.input}
    nodes: list[Node] = []
    diagnostics: list[Diagnostic] = []
    spans: dict[str | None, Span] = {None: net.input_span}
    for layer in net.layers:
        if len(diagnostics) >= MOST_ERRORS:
            break
        spans[layer.name] = layer.span
        if not all(name in made for name in layer.inputs):
            continue  # an input has an error
        given = tuple(made[name] for name in layer.inputs)
        try:
            kind = layer.kind
            output = kind.join(given, net.towers) if isinstance(kind, Join) else kind.output(given[0], net.towers)
        except ShapeError as error:
            diagnostics.append(_diagnose(spans, layer, given, error))
            continue
        made[layer.name] = output
        weights = kind.weights(given[0], output)
        neurons, multiply_adds = kind.neurons(given[0], output), kind.multiply_adds(given[0], output)
        nodes.append(Node(layer, given, output, weights, neurons, multiply_adds))
    if diagnostics:
        return None, diagnostics
    graph = Graph(net, tuple(nodes))
    size = _judge_size(graph, most_parameters)
    if any(each.severity == "error" for each in size):
        return None, size
    diagnostics = _unread(graph)
    if diagnostics:
        return None, diagnostics + size
    graph.verify()
    return graph, size


def _judge_size(graph: Graph, most_parameters: int) -> list[Diagnostic]:
    """Report a network of unusual size, usually a mistake such as a `linear` that reads maps without pooling."""
    if graph.parameters <= min(MANY_PARAMETERS, most_parameters):
        return []
    largest = max(graph.nodes, key=lambda node: node.weight_count)
    message = f"the network has {graph.parameters:,} parameters"
    label = f"{largest.weight_count:,} of them here"
    smaller = "pool the input of this layer, or use fewer or smaller kernels"
    if graph.parameters > most_parameters:
        message += f"; the limit is {most_parameters:,}"
        more = f"{smaller}; to allow this size, use `--most-parameters {graph.parameters}`"
        return [Diagnostic("E0304", message, largest.layer.span, label, help=more)]
    memory = f"they take {graph.parameters * 4 / 1e9:,.0f} GB in float32, and their gradients the same"
    return [Diagnostic("W0304", message, largest.layer.span, label, help=f"{memory}; to shrink it, {smaller}")]


def _unread(graph: Graph) -> list[Diagnostic]:
    """Report layers whose output nothing uses, which can only be a mistake."""
    used = graph.read_names() | {graph.nodes[-1].layer.name} | {head.layer.name for head in graph.heads}
    return [
        Diagnostic(
            "E0212",
            f"nothing reads `{node.layer.name}`",
            node.layer.span,
            f"{node.output} is made here",
            help="read it by its name, as in `concat left right`, or remove it; a further head ends in `softmax`",
        )
        for node in graph.nodes
        if node.layer.name not in used
    ]


def _diagnose(
    spans: Mapping[str | None, Span], layer: Layer, given: tuple[Shape, ...], error: ShapeError
) -> Diagnostic:
    others = tuple(
        Label(spans[name], f"{shape} is made here")
        for name, shape in dict(zip(layer.inputs, given, strict=True)).items()
    )
    reads = [
        f"{shape} from {f'`{name}`' if name else 'the input'}" for name, shape in zip(layer.inputs, given, strict=True)
    ]
    towers = f", cut into {given[0].towers} towers" if given[0].towers > 1 else ""
    return Diagnostic(
        error.code,
        f"`{layer.name}` {error.message}",
        layer.argument_spans.get(error.argument or "", layer.span),
        f"reads {list_in_words(reads)}{towers}",
        others,
        error.help,
    )

"""Net to Graph: shapes and counts of every layer. Names no kind."""

from __future__ import annotations

from alexc.compiler.diagnostics import Diagnostic, Label
from alexc.compiler.graph import Graph, Node
from alexc.compiler.layers.kind import Misfit, Shape
from alexc.compiler.net import Layer, Net

MOST_PARAMETERS = 10**11


def infer_shapes(net: Net) -> tuple[Graph | None, list[Diagnostic]]:
    """Walk the layers in order; what follows a layer that does not fit has no shape and is not judged."""
    made: dict[str | None, Shape] = {None: net.input}
    nodes: list[Node] = []
    for layer in net.layers:
        given = made[layer.input]
        try:
            output = layer.kind.output(given, net.towers)
        except Misfit as misfit:
            return None, [_diagnose(net, layer, given, nodes, misfit)]
        made[layer.name] = output
        nodes.append(
            Node(
                layer,
                given,
                output,
                layer.kind.weights(given, output),
                layer.kind.neurons(given, output),
                layer.kind.multiply_adds(given, output),
            )
        )
    graph = Graph(net, tuple(nodes))
    if graph.parameters > MOST_PARAMETERS:
        largest = max(nodes, key=lambda node: node.weight_count)
        message = f"the network has {graph.parameters:,} parameters; at most {MOST_PARAMETERS:,} are taken"
        label = f"{largest.weight_count:,} of them here"
        return None, [Diagnostic("E0304", message, largest.layer.span, label, help="fewer or smaller kernels")]
    graph.verify()
    return graph, []


def _diagnose(net: Net, layer: Layer, given: Shape, nodes: list[Node], misfit: Misfit) -> Diagnostic:
    span = layer.argument_spans.get(misfit.argument or "", layer.span)
    source = f"`{layer.input}`" if layer.input else "the input"
    origin = nodes[-1].layer.span if nodes else net.input_span
    towers = f", cut into {given.towers} towers" if given.towers > 1 else ""
    label = f"reads {given} from {source}{towers}"
    return Diagnostic(
        misfit.code,
        f"`{layer.name}` {misfit.message}",
        span,
        label,
        (Label(origin, f"{given} is made here"),),
        misfit.help,
    )

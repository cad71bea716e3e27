"""Net to Graph: infers the shape and the counts of every layer. It names no layer kind."""

from __future__ import annotations

from collections.abc import Mapping

from ..layers.kind import ArgumentEdit, Join, Shape, ShapeError
from ..net.net import Layer, Net
from ..text.diagnostics import MOST_ERRORS, Diagnostic, Label, list_in_words
from ..text.fixes import Fix, Help
from .graph import Graph, Node

MOST_PARAMETERS = 10**11  # the default limit
MANY_PARAMETERS = 10**9  # more than this gives a warning
_MOST_VALUES = 10**11  # that the layers compute per image: 400 GB in float32


def infer_shapes(net: Net, most_parameters: int) -> tuple[Graph | None, list[Diagnostic]]:
    """Infer the shapes of the layers in order. Layers that depend on one with an error are skipped.

    More parameters than `most_parameters`, or too many values per image, are an error. A graph can come with
    warnings.
    """
    made: dict[str | None, Shape] = {None: net.input}
    nodes: list[Node] = []
    diagnostics: list[Diagnostic] = []
    above: dict[str | None, Layer] = {}
    values = net.input.values
    for layer in net.layers:
        if len(diagnostics) >= MOST_ERRORS:
            break
        above[layer.name] = layer
        if not all(name in made for name in layer.inputs):
            continue  # it depends on a layer with an error
        given = tuple(made[name] for name in layer.inputs)
        try:
            kind = layer.kind
            output = kind.join(given, net.towers) if isinstance(kind, Join) else kind.output(given[0], net.towers)
        except ShapeError as error:
            diagnostics.append(_diagnose(net, above, layer, given, error))
            continue
        values += 0 if kind.alias else output.values
        if values > _MOST_VALUES:
            diagnostics.append(_too_many_values(layer, output, values))
            break  # the next layers can double the number again and again
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
    """Report too many parameters. The usual cause is a `linear` layer that reads feature maps without pooling."""
    if graph.parameters <= min(MANY_PARAMETERS, most_parameters):
        return []
    largest = max(graph.nodes, key=lambda node: node.weight_count)
    message = f"the network has {graph.parameters:,} parameters"
    label = f"{largest.weight_count:,} of them are in this layer"
    smaller = "pool the input of this layer, or use fewer or smaller kernels"
    if graph.parameters > most_parameters:
        message += f"; the limit is {most_parameters:,}"
        more = f"{smaller}; `--most-parameters {graph.parameters}` raises the limit"
        return [Diagnostic("E0304", message, largest.layer.span, label, help=more)]
    memory = f"they take {graph.parameters * 4 / 1e9:,.0f} GB in float32, and their gradients take the same again"
    return [Diagnostic("W0304", message, largest.layer.span, label, help=f"{memory}; if this is a mistake, {smaller}")]


def _too_many_values(layer: Layer, output: Shape, values: int) -> Diagnostic:
    return Diagnostic(
        "E0304",
        f"the layers up to `{layer.name}` compute {values:,} values per image; the limit is {_MOST_VALUES:,}",
        layer.span,
        f"{output.values:,} of them are in this layer",
        help="use smaller maps, fewer kernels, or fewer layers that join others",
    )


def _unread(graph: Graph) -> list[Diagnostic]:
    """Report layers whose output is not used, which is always a mistake."""
    used = graph.read_names() | {graph.nodes[-1].layer.name} | {head.layer.name for head in graph.heads}
    return [
        Diagnostic(
            "E0212",
            f"the output of `{node.layer.name}` is not used",
            node.layer.span,
            f"shape {node.output}",
            help="name it in another line, as in `concat left right`, or remove it; an extra head ends in `softmax`",
        )
        for node in graph.nodes
        if node.layer.name not in used
    ]


def _diagnose(
    net: Net, above: Mapping[str | None, Layer], layer: Layer, given: tuple[Shape, ...], error: ShapeError
) -> Diagnostic:
    others = tuple(
        Label(above[name].span if name in above else net.input_span, f"shape {shape}")
        for name, shape in dict(zip(layer.inputs, given, strict=True)).items()
    )
    reads = [
        f"{shape} from {f'`{name}`' if name else 'the input'}" for name, shape in zip(layer.inputs, given, strict=True)
    ]
    towers = f", split into {given[0].towers} towers" if given[0].towers > 1 else ""
    return Diagnostic(
        error.code,
        f"`{layer.name}` {error.message}",
        layer.argument_spans.get(error.argument or "", layer.span),
        f"reads {list_in_words(reads)}{towers}",
        others,
        Help(error.help, *(_fix(edit, layer, above) for edit in error.edits)),
    )


def _fix(edit: ArgumentEdit, layer: Layer, above: Mapping[str | None, Layer]) -> Fix | None:
    """The edit in the text; None if no written word has to change."""
    found: Layer | None = layer
    if edit.before:
        found = above.get(layer.inputs[0])
        while found is not None and edit.argument not in type(found.kind).model_fields:
            found = above.get(found.inputs[0])
    return None if found is None else found.with_argument(edit.argument, edit.value)

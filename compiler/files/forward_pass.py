"""The lines of a module's `forward`: one a layer, with the shape that it makes."""

from __future__ import annotations

from collections.abc import Mapping

from ..graph.graph import Graph, Node
from ..layers.kind import Join, TorchCall, TorchFunction, TorchJoin, TorchLayer, TorchModule, TorchOperator
from ..layers.python_text import call, operation
from ..net.expanded_parts import attribute_of

_BODY = 8  # the indentation of a method's body


def forward_lines(graph: Graph, layers: Mapping[str, TorchLayer]) -> list[str]:
    """The body of `forward`.

    A nonlinearity shares the line of the layer before it. What leads to a further head alone is computed in training
    only.

    Args:
        graph: the network.
        layers: how each layer reads in PyTorch, by name.
    """
    nodes = graph.without_loss()
    users = _users(nodes)
    variables = _variables(nodes, users)
    for_heads = graph.for_further_heads()
    lines: list[list[str]] = [] if variables[None] == "x" else [["        image = x"]]
    expression = ""  # that of the last line
    in_training = False
    for index, node in enumerate(nodes):
        if (node.layer.name in for_heads) != in_training:
            in_training = not in_training
            lines += [["        if self.training:"]] if in_training else []
        indent = _BODY + 4 * in_training
        reads = [variables[name] for name in node.layer.inputs]
        if node.layer.kind.reads_vector and len(node.given[0].sizes) > 1:
            lines.append([f"{' ' * indent}x = {reads[0]}.flatten(1)  # {node.given[0].values}"])
            reads = ["x"]
        variable, shape = variables[node.layer.name], f"  # {node.output}"
        if expression and _joins_the_line_before(nodes, index, users):
            joined = _assignment(layers[node.layer.name], node, [expression], indent, variable, shape)
            if len(joined) == 1:
                lines[-1], expression = joined, _expression(joined[0], variable, shape)
                continue
        lines.append(_assignment(layers[node.layer.name], node, reads, indent, variable, shape))
        expression = _expression(lines[-1][0], variable, shape) if len(lines[-1]) == 1 else ""
    return [line for group in lines for line in group] + _return_lines(graph, variables)


def _return_lines(graph: Graph, variables: dict[str | None, str]) -> list[str]:
    ends = [head.layer.inputs[0] for head in graph.heads] or [graph.nodes[-1].layer.name]
    main, *others = [variables[name] for name in ends]
    if not others:
        return [f"        return {main}"]
    return [
        "        if self.training:",
        f"            return {', '.join([main, *others])}",
        f"        return {main}",
    ]


def _users(nodes: list[Node]) -> dict[str | None, list[int]]:
    users: dict[str | None, list[int]] = {None: [], **{node.layer.name: [] for node in nodes}}
    for index, node in enumerate(nodes):
        for name in node.layer.inputs:
            users[name].append(index)
    return users


def _variables(nodes: list[Node], users: dict[str | None, list[int]]) -> dict[str | None, str]:
    """`x` for what only the next layer reads; a name of its own for what several layers, or a later one, read."""
    variables: dict[str | None, str] = {None: "x" if users[None] in ([0], []) else "image"}
    ends = {node.layer.line: node.layer.name for node in nodes}
    for index, node in enumerate(nodes):
        name = node.layer.name
        last = index == len(nodes) - 1
        next_alone = users[name] == [index + 1] and not isinstance(nodes[index + 1].layer.kind, Join)
        own = node.layer.line if ends[node.layer.line] == name else name
        variables[name] = "x" if last or next_alone else attribute_of(own)
    return variables


def _joins_the_line_before(nodes: list[Node], index: int, users: dict[str | None, list[int]]) -> bool:
    node, before = nodes[index], nodes[index - 1] if index else None
    return (
        before is not None
        and node.layer.kind.pointwise
        and node.layer.inputs == (before.layer.name,)
        and users[before.layer.name] == [index]
        and node.layer.line == before.layer.line
    )


def _assignment(layer: TorchLayer, node: Node, reads: list[str], indent: int, variable: str, shape: str) -> list[str]:
    match layer:
        case TorchModule(before=before):
            if before is not None:
                reads = [f"{before.function}({', '.join([*reads, *before.arguments])})"]
            return call(f"self.{attribute_of(node.layer.name)}", reads, indent, f"{variable} = ", shape)
        case TorchFunction(TorchCall(function, arguments)):
            return call(function, [*reads, *arguments], indent, f"{variable} = ", shape)
        case TorchJoin(TorchCall(function, arguments)):
            return call(function, [tuple(reads), *arguments], indent, f"{variable} = ", shape)
        case TorchOperator(symbol):
            return operation(symbol, reads, indent, f"{variable} = ", shape)


def _expression(line: str, variable: str, shape: str) -> str:
    return line.strip().removeprefix(f"{variable} = ").removesuffix(shape)

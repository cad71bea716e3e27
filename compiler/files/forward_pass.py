"""The statements of a module's `forward`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from ..graph.graph import Graph, Node
from ..layers.kind import (
    Join,
    Shape,
    TorchCall,
    TorchFunction,
    TorchIndex,
    TorchJoin,
    TorchLayer,
    TorchModule,
    TorchOperator,
)
from ..layers.python_text import in_tuple
from ..net.expanded_parts import attribute_of
from .line_breaks import LINE_LENGTH

_INDENT, _INDENT_IN_TRAINING = 8, 12  # of a statement in `forward`, and of one below `if self.training:`


@dataclass(frozen=True, slots=True)
class Statement:
    """An assignment, with the shape of its value for one image as the comment.

    `layers` are the names of the layers that it computes, or prepares the input of.
    """

    variable: str
    expression: TorchCall | str
    shape: Shape | int
    layers: tuple[str, ...]

    def fits(self, indent: int) -> bool:
        """Whether the template writes it on one line."""
        return indent + len(f"{self.variable} = {self.expression}  # {self.shape}") <= LINE_LENGTH


@dataclass(frozen=True)
class Run:
    """Consecutive statements; those that only further heads need run `in_training` only."""

    in_training: bool
    statements: list[Statement]


@dataclass(frozen=True)
class ForwardPass:
    """The body of `forward`.

    Attributes:
        keeps_image: whether the input needs a variable of its own, because a later layer reads it again.
        runs: the statements, in order.
        output: the variable that is returned.
        further_outputs: the variables of the further heads, which are returned in training.
    """

    keeps_image: bool
    runs: list[Run]
    output: str
    further_outputs: list[str]


def forward_pass(graph: Graph, layers: Mapping[str, TorchLayer]) -> ForwardPass:
    """Write one statement per layer; a nonlinearity joins the statement of the layer before it where that fits.

    Args:
        graph: the network.
        layers: the PyTorch form of each layer, by name.
    """
    nodes = graph.without_loss()
    users = _users(nodes)
    variables = _variables(nodes, users)
    for_heads = graph.for_further_heads()
    runs: list[Run] = []
    for in_training, numbered in groupby(enumerate(nodes), key=lambda each: each[1].layer.name in for_heads):
        indent = _INDENT_IN_TRAINING if in_training else _INDENT
        statements: list[Statement] = []
        for index, node in numbered:
            name = node.layer.name
            if statements and _continues_line(nodes, index, users):
                joined = _expression(layers[name], name, [statements[-1].expression])
                statement = Statement(variables[name], joined, node.output, (*statements[-1].layers, name))
                if statement.fits(indent):
                    statements[-1] = statement
                    continue
            reads = _reads(node, variables)
            if node.layer.kind.reads_vector and len(node.given[0].sizes) > 1:
                statements.append(Statement("x", f"{reads[0]}.flatten(1)", node.given[0].values, (name,)))
                reads = ["x"]
            statements.append(Statement(variables[name], _expression(layers[name], name, reads), node.output, (name,)))
        runs.append(Run(in_training, statements))
    ends = [head.layer.inputs[0] for head in graph.heads] or [nodes[-1].layer.name]
    output, *further_outputs = [variables[name] for name in ends]
    return ForwardPass(variables[None] != "x", runs, output, further_outputs)


def _users(nodes: list[Node]) -> dict[str | None, list[int]]:
    users: dict[str | None, list[int]] = {None: [], **{node.layer.name: [] for node in nodes}}
    for index, node in enumerate(nodes):
        for name in node.layer.inputs:
            users[name].append(index)
    return users


def _variables(nodes: list[Node], users: dict[str | None, list[int]]) -> dict[str | None, str]:
    """Name the output of each layer: `x` where only the next layer reads it, otherwise after the layer."""
    variables: dict[str | None, str] = {None: "x" if users[None] in ([0], []) else "image"}
    ends = {node.layer.line: node.layer.name for node in nodes}
    for index, node in enumerate(nodes):
        name = node.layer.name
        last = index == len(nodes) - 1
        next_alone = users[name] == [index + 1] and not isinstance(nodes[index + 1].layer.kind, Join)
        own = node.layer.line if ends[node.layer.line] == name else name
        variables[name] = "x" if last or next_alone else attribute_of(own)
    return variables


def _continues_line(nodes: list[Node], index: int, users: dict[str | None, list[int]]) -> bool:
    """Whether a layer is a nonlinearity that only follows the layer before it, on the same line of the spec."""
    node, before = nodes[index], nodes[index - 1]
    return (
        node.layer.kind.pointwise
        and node.layer.inputs == (before.layer.name,)
        and users[before.layer.name] == [index]
        and node.layer.line == before.layer.line
    )


def _reads(node: Node, variables: Mapping[str | None, str]) -> list[str]:
    """The variables that a layer reads; a vector that is joined with maps has one value per map."""
    return [
        f"{variables[name]}[:, :, None, None]" if len(given.sizes) < len(node.output.sizes) else variables[name]
        for name, given in zip(node.layer.inputs, node.given, strict=True)
    ]


def _expression(layer: TorchLayer, name: str, reads: Sequence[str | TorchCall]) -> TorchCall | str:
    match layer:
        case TorchModule(before=before):
            inputs = tuple(reads)
            for call in before:
                inputs = (TorchCall(call.function, (*inputs, *call.arguments)),)
            return TorchCall(f"self.{attribute_of(name)}", inputs)
        case TorchFunction(TorchCall(function, arguments)):
            return TorchCall(function, (*reads, *arguments))
        case TorchJoin(TorchCall(function, arguments)):
            return TorchCall(function, (in_tuple([str(each) for each in reads]), *arguments))
        case TorchOperator(symbol):
            return f" {symbol} ".join(map(str, reads))
        case TorchIndex(index):
            return f"{reads[0]}[{index}]"

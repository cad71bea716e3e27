"""Writes a graph as a standalone spec: without variants, `repeat`, default arguments and block parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from ..graph.graph import Graph, Node
from ..layers.kind import Join, towers_text
from ..net.expanded_parts import attribute_of
from ..net.net import Layer
from ..net.spec_text import placement_lines, recipe_texts, step_text
from ..vocabulary import BLOCK, INPUT, NETWORK, PLACEMENT, TOWERS, TRAIN


def write_spec(graph: Graph) -> str:
    """The text of a spec that compiles to the same bytes as the graph.

    A line that starts with a block gets its own copy of that block, so that its layers keep their names. A line with a
    block after other layers, or a line of a block with a block in it, becomes several lines. The compiled file then has
    one row of counts for each of them, and other names for values in `forward`; the layers keep their names.
    """
    network = _Network(graph)
    settings = [
        f"{INPUT} {graph.net.input}",
        *([f"{TOWERS} {towers_text(graph.net.towers)}"] if graph.net.towers > 1 else []),
        "",
    ]
    texts = [_block(f"{BLOCK} {name}()", lines) for name, lines in network.blocks.items()]
    texts.append(_block(f"{NETWORK} {graph.net.name}", [*settings, *network.lines]))
    own = list(graph.statements())
    texts += [_block(f"{PLACEMENT} {each.name}", placement_lines(each, own)) for each in graph.net.placements]
    if graph.net.recipe is not None:
        texts.append(_block(TRAIN, [f"{name} {text}" for name, text in recipe_texts(graph.net.recipe).items() if text]))
    return "\n".join(texts)


def _block(head: str, lines: Sequence[str]) -> str:
    return "".join([f"{head} {{\n", *(f"  {line}".rstrip() + "\n" for line in lines), "}\n"])


@dataclass
class _Scope:
    """The names of layers inside a block or at the top level of the network.

    Attributes:
        prefix: the prefix of the names of a block's layers; lines inside the block leave it out.
        names: the name under which a line reads each layer; None is the network's input.
        current: the layer that a line reads by default.
    """

    prefix: str
    names: dict[str | None, str]
    current: str | None


class _Network:
    """The lines of the network, and the blocks that these lines use."""

    def __init__(self, graph: Graph) -> None:
        self.lines: list[str] = []
        self.blocks: dict[str, list[str]] = {}
        self._taken = set(graph.statements())
        scope = _Scope("", {None: INPUT}, None)
        for statement, nodes in groupby(graph.nodes, key=lambda node: node.layer.statement):
            self._write_statement(statement, list(nodes), scope)

    def _write_statement(self, statement: str, nodes: list[Node], scope: _Scope) -> None:
        inside = [node for node in nodes if node.layer.line != statement]
        if not inside:
            self.lines.append(_line(statement, nodes, scope))
        elif nodes[: len(inside)] == inside:
            self._write_instance(statement, inside, nodes[len(inside) :], scope)
        else:  # a block in the middle of a line: each of its layers needs its own line to keep its name
            self.lines += [_line(attribute_of(node.layer.name), [node], scope) for node in nodes]
            scope.names[nodes[-1].layer.name] = attribute_of(nodes[-1].layer.name)

    def _write_instance(self, statement: str, inside: list[Node], after: list[Node], scope: _Scope) -> None:
        reads = _read_outside(inside)
        block = self._free_name(f"{statement}_lines")
        within = _Scope(f"{attribute_of(statement)}_", {reads: INPUT}, reads)
        self.blocks[block] = [
            _line(attribute_of(parts[0].layer.name).removeprefix(within.prefix), parts, within)
            for line, group in groupby(inside, key=lambda node: node.layer.line)
            for parts in _parts_with_their_names(line, list(group))
        ]
        start = "" if reads == scope.current else f"{scope.names[reads]} -> "
        scope.current = inside[-1].layer.name
        for node in inside:  # lines outside can read them too
            scope.names[node.layer.name] = f"{statement}.{within.names[node.layer.name]}"
        self.lines.append(" -> ".join([f"{statement}: {start}{block}", *_steps(after, scope)]))
        if after:
            _name_layers(statement, after, scope)
        else:
            scope.names[inside[-1].layer.name] = statement

    def _free_name(self, name: str) -> str:
        while name in self._taken:
            name += "_"
        self._taken.add(name)
        return name


def _parts_with_their_names(line: str, nodes: list[Node]) -> list[list[Node]]:
    """The lines that a line of the spec is written as, so that all layers keep their names.

    If a line begins with a block, its layers are not named after the line, and each needs a line of its own.
    """
    return [nodes] if nodes[0].layer.name == line else [[node] for node in nodes]


def _line(label: str, nodes: list[Node], scope: _Scope) -> str:
    first = nodes[0].layer
    if isinstance(first.kind, Join):
        text = _joined(first, first.inputs, scope)
    else:
        start = "" if first.inputs[0] == scope.current else f"{scope.names[first.inputs[0]]} -> "
        text = f"{start}{step_text(first.kind)}"
    scope.current = first.name
    steps = _steps(nodes[1:], scope)
    _name_layers(label, nodes, scope)
    return " -> ".join([f"{label}: {text}", *steps])


def _steps(nodes: Sequence[Node], scope: _Scope) -> list[str]:
    steps: list[str] = []
    for layer in (node.layer for node in nodes):
        steps.append(_joined(layer, layer.inputs[1:], scope) if isinstance(layer.kind, Join) else step_text(layer.kind))
        scope.current = layer.name
    return steps


def _joined(layer: Layer, inputs: Sequence[str | None], scope: _Scope) -> str:
    return " ".join([step_text(layer.kind), *(scope.names[name] for name in inputs)])


def _name_layers(label: str, nodes: Sequence[Node], scope: _Scope) -> None:
    """Name the last layer of a line after the line, and each other layer after itself."""
    for node in nodes:
        scope.names[node.layer.name] = f"{label}{node.layer.name.removeprefix(node.layer.line)}"
    scope.names[nodes[-1].layer.name] = label


def _read_outside(nodes: Sequence[Node]) -> str | None:
    """The one layer outside a block that the layers of the block read."""
    own = {node.layer.name for node in nodes}
    outside = {name for node in nodes for name in node.layer.inputs if name not in own}
    assert len(outside) == 1, outside
    return outside.pop()

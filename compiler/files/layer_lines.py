"""The lines of a generated file that belong to each layer."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence

from ..garbage import gc_paused
from ..graph.graph import Graph
from ..net.expanded_parts import attribute_of
from ..placed_graph.placed_graph import PlacedGraph
from .forward_pass import Statement
from .module_class import ModuleClass, placed_class, whole_class

Lines = tuple[int, int]  # the first and the last line, counted from 1


@gc_paused()
def layer_lines(text: str, graph: Graph, placed: PlacedGraph | None = None) -> dict[str, list[Lines]]:
    """For each layer, where the file has its module, its initial values and its statements in `forward`, in order.

    An exchange belongs to the layer that reads its result.

    Args:
        text: the file, as `write_pytorch` writes it.
        graph: the network.
        placed: the placement that the file was written for, if any.
    """
    whole = whole_class(graph)
    classes = {each.name: each for each in ([whole, placed_class(whole, placed)] if placed else [whole])}
    layers = {attribute_of(node.layer.name): node.layer.name for node in graph.nodes}
    exchanges = {each.name: each.reader for each in placed.exchanges()} if placed else {}
    found: dict[str, list[Lines]] = {}
    for definition in ast.parse(text).body:
        if isinstance(definition, ast.ClassDef):
            for name, lines in _lines_of(definition, classes[definition.name], layers):
                found.setdefault(exchanges.get(name, name), []).append(lines)
    return found


def _lines_of(definition: ast.ClassDef, made: ModuleClass, layers: Mapping[str, str]) -> Iterator[tuple[str, Lines]]:
    for method in definition.body:
        match method:
            case ast.FunctionDef(name="forward"):
                yield from _lines_of_forward(method, made)
            case ast.FunctionDef():
                for statement in method.body:
                    if (attribute := _attribute(statement)) in layers:
                        yield layers[attribute], _extent(statement)


def _attribute(statement: ast.stmt) -> str:
    """The attribute `conv1` of `self.conv1 = …` and of `initialise(self.conv1, …)`; "" of another statement."""
    match statement:
        case ast.Assign(targets=[ast.Attribute(attr=attribute)]):
            return attribute
        case ast.Expr(value=ast.Call(args=[ast.Attribute(attr=attribute), *_])):
            return attribute
    return ""


def _lines_of_forward(method: ast.FunctionDef, made: ModuleClass) -> Iterator[tuple[str, Lines]]:
    # The first assignments give the input a name. After them, there is one for each statement.
    written = [statement for run in made.forward.runs for statement in run.statements]
    assignments = list(_assignments(method.body))
    kept = len(assignments) - len(written)
    for statement, assignment in zip(written, assignments[kept:], strict=True):
        yield from _each_layer(statement, assignment)


def _each_layer(statement: Statement, assignment: ast.Assign) -> Iterator[tuple[str, Lines]]:
    for name in statement.layers:
        yield name, _extent(assignment)


def _assignments(body: Sequence[ast.stmt]) -> Iterator[ast.Assign]:
    for statement in body:
        if isinstance(statement, ast.Assign):
            yield statement
        elif isinstance(statement, ast.If):
            yield from _assignments(statement.body)


def _extent(statement: ast.stmt) -> Lines:
    assert statement.end_lineno is not None
    return statement.lineno, statement.end_lineno

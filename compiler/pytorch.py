"""Graph to a Python file: one PyTorch module and, where the spec has one, its recipe."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from textwrap import indent, wrap

from jinja2 import Environment, StrictUndefined, Template

from alexc.compiler.arguments import Arguments
from alexc.compiler.diagnostics import list_in_words
from alexc.compiler.graph import Graph, Node
from alexc.compiler.layers.kind import (
    Join,
    TorchCall,
    TorchFunction,
    TorchJoin,
    TorchLayer,
    TorchModule,
    TorchOperator,
)
from alexc.compiler.net import Recipe
from alexc.compiler.parts import attribute_of
from alexc.compiler.python_text import LINE_LENGTH, call, import_sections, literal
from alexc.compiler.summary import Row, total
from alexc.compiler.summary import rows as summary_rows

MADE_BY = "Made by alexc from"
_BASE_IMPORTS = ("from typing import ClassVar", "from torch import Tensor, nn")
_INITIAL = "alexc.runtime.layers.initial_values"
_RECIPE = "alexc.runtime.recipe"


def write_pytorch(graph: Graph, spec_name: str) -> str:
    """The text of the Python file.

    Args:
        graph: the network.
        spec_name: the name of the spec's file, without folders, so that the text does not depend on where it lies.
    """
    nodes = _without_loss(graph)
    layers = {node.layer.name: node.layer.kind.torch(node.given[0], node.output) for node in nodes}
    recipe = graph.net.recipe
    statements = {*_BASE_IMPORTS, *(each for layer in layers.values() for each in layer.imports)}
    statements |= {f"from {_INITIAL} import {name}" for name in _initial_names(nodes)}
    statements |= {f"from {_RECIPE} import {name}" for name in _recipe_names(recipe)}
    return _template().render(
        headline=_headline(graph),
        made_by=f"{MADE_BY} {spec_name}: edit that file, not this one.",
        count_lines=_count_lines(graph),
        import_sections=import_sections(statements),
        class_name=graph.net.name,
        class_lines=_class_lines(graph, nodes),
        input_shape=repr(graph.net.input.sizes),
        constructor_lines=_constructor_lines(nodes, layers),
        multiplier_lines=_multiplier_lines(nodes),
        initial_lines=_initial_lines(nodes),
        forward_headline=_forward_headline(graph, nodes),
        forward_lines=_forward_lines(nodes, layers),
        recipe_lines=_recipe_lines(recipe),
    )


@cache
def _template() -> Template:
    text = files("alexc.compiler").joinpath("pytorch.py.jinja").read_text(encoding="utf-8")
    environment = Environment(  # noqa: S701 - the text is Python, which has no HTML to escape
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    return environment.from_string(text)


def _without_loss(graph: Graph) -> list[Node]:
    """The nodes of the forward pass: a softmax at the end belongs to the loss."""
    nodes = list(graph.nodes)
    return nodes[:-1] if nodes[-1].layer.kind.in_loss and len(nodes) > 1 else nodes


def _headline(graph: Graph) -> str:
    return f"{graph.net.name}: {graph.parameters:,} parameters, {graph.neurons:,} neurons."


def _class_lines(graph: Graph, nodes: list[Node]) -> list[str]:
    """The class's docstring: what goes in and out, and which layers see one tower only."""
    reads, makes = _spaced(graph.net.input.sizes), _spaced(nodes[-1].output.sizes)
    kind = "logits" if len(nodes) < len(graph.nodes) else "outputs"
    headline = f"Images (N, {reads}) to {kind} (N, {makes}); comments give one image's shapes."
    apart = [row.layer for row in summary_rows(graph) if row.reads == "tower"]
    if not apart:
        return [f'    """{headline}"""']
    towers = f"Cut into {graph.net.towers} towers; in {list_in_words(apart)} a tower reads its own maps only."
    return [f'    """{headline}', "", *indent("\n".join(wrap(towers, LINE_LENGTH - 4)), "    ").split("\n"), '    """']


def _forward_headline(graph: Graph, nodes: list[Node]) -> str:
    if len(nodes) < len(graph.nodes):
        return "The logits of each class: the softmax belongs to the loss."
    return f"What the last layer, {nodes[-1].layer.name}, makes of the images."


def _count_lines(graph: Graph) -> list[str]:
    """The counts of the layers with weights as an aligned table."""

    def cells(row: Row) -> list[str]:
        return [row.layer, row.output, *(f"{count:,}" for count in (row.weights, row.neurons, row.multiply_adds))]

    table = [["layer", "output", "weights", "neurons", "multiply-adds"]]
    table += [cells(row) for row in summary_rows(graph) if row.weights]
    table += [cells(total(graph))]
    widths = [max(len(line[column]) for line in table) for column in range(len(table[0]))]
    return [
        "    "
        + "  ".join(
            cell.ljust(width) if column < 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in table
    ]


def _constructor_lines(nodes: list[Node], layers: dict[str, TorchLayer]) -> list[str]:
    lines: list[str] = []
    for node in nodes:
        layer = layers[node.layer.name]
        if isinstance(layer, TorchModule):
            made = layer.constructor
            lines += call(made.function, made.arguments, 8, f"self.{attribute_of(node.layer.name)} = ")
    return lines


def _multiplier_lines(nodes: list[Node]) -> list[str]:
    """The attribute that tells the optimiser which parameters have a rate or decay of their own."""
    items = [
        f'"{attribute_of(node.layer.name)}.{parameter}": ({literal(rate)}, {literal(decay)})'
        for node in nodes
        for parameter, (rate, decay) in node.layer.kind.multipliers().items()
    ]
    if not items:
        return []
    before = "    multipliers: ClassVar[dict[str, tuple[float, float]]] = {"
    return [before, *(f"        {item}," for item in items), "    }"]


def _initial_lines(nodes: list[Node]) -> list[str]:
    lines: list[str] = []
    for node in nodes:
        if node.weights is not None:
            name = attribute_of(node.layer.name)
            start = f"weight={_construct(node.weights.start)}", f"bias={literal(node.weights.bias_start)}"
            lines += call("initialise", [f"self.{name}", f'"{name}"', "seed", *start], 8)
    return lines


def _initial_names(nodes: list[Node]) -> set[str]:
    distributions = {type(node.weights.start).__name__ for node in nodes if node.weights}
    return distributions | {"initialise"} if distributions else set()


def _forward_lines(nodes: list[Node], layers: dict[str, TorchLayer]) -> list[str]:
    """One line a layer with the shape that it makes; a nonlinearity shares the line of the layer before it."""
    users = _users(nodes)
    variables = _variables(nodes, users)
    lines: list[list[str]] = [] if variables[None] == "x" else [["        image = x"]]
    expression = ""  # that of the last line
    for index, node in enumerate(nodes):
        reads = [variables[name] for name in node.layer.inputs]
        if node.layer.kind.reads_vector and len(node.given[0].sizes) > 1:
            lines.append([f"        x = {reads[0]}.flatten(1)  # {node.given[0].values}"])
            reads = ["x"]
        variable, shape = variables[node.layer.name], f"  # {node.output}"
        if _joins_the_line_before(nodes, index, users):
            joined = _assignment(layers[node.layer.name], node, [expression], variable, shape)
            if len(joined) == 1:
                lines[-1], expression = joined, _expression(joined[0], variable, shape)
                continue
        lines.append(_assignment(layers[node.layer.name], node, reads, variable, shape))
        expression = _expression(lines[-1][0], variable, shape) if len(lines[-1]) == 1 else ""
    return [line for group in lines for line in group] + [f"        return {variables[nodes[-1].layer.name]}"]


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


def _assignment(layer: TorchLayer, node: Node, reads: list[str], variable: str, shape: str) -> list[str]:
    match layer:
        case TorchModule(before=before):
            if before is not None:
                reads = [f"{before.function}({', '.join([*reads, *before.arguments])})"]
            return call(f"self.{attribute_of(node.layer.name)}", reads, 8, f"{variable} = ", shape)
        case TorchFunction(TorchCall(function, arguments)):
            return call(function, [*reads, *arguments], 8, f"{variable} = ", shape)
        case TorchJoin(TorchCall(function, arguments)):
            return call(function, [f"({', '.join(reads)})", *arguments], 8, f"{variable} = ", shape)
        case TorchOperator(symbol):
            return [f"        {variable} = {f' {symbol} '.join(reads)}{shape}"]


def _expression(line: str, variable: str, shape: str) -> str:
    return line.strip().removeprefix(f"{variable} = ").removesuffix(shape)


def _recipe_lines(recipe: Recipe | None) -> list[str]:
    if recipe is None:
        return []
    lines = ["RECIPE = Recipe("]
    for field, steps in (("prepare", recipe.prepare), ("augment", recipe.augment)):
        lines += call("", _tuple_items([_construct(step) for step in steps]), 4, f"{field}=", ",")
    for field, step in (
        ("test", recipe.test),
        ("loss", recipe.loss),
        ("optimizer", recipe.optimizer),
        ("schedule", recipe.schedule),
    ):
        lines.append(f"    {field}={_construct(step)},")
    return [*lines, f"    batch={recipe.batch},", f"    epochs={recipe.epochs},", ")"]


def _tuple_items(items: list[str]) -> list[str]:
    return [f"{items[0]},"] if len(items) == 1 else items


def _recipe_names(recipe: Recipe | None) -> set[str]:
    if recipe is None:
        return set()
    steps: list[Arguments] = [*recipe.prepare, *recipe.augment, recipe.test, recipe.loss]
    steps += [recipe.optimizer, recipe.schedule]
    return {type(step).__name__ for step in steps} | {"Recipe"}


def _construct(value: Arguments) -> str:
    """A call that makes the runtime's value of the same name; what equals the default is left out."""
    fields = type(value).model_fields
    arguments: list[str] = []
    for name, field in fields.items():
        text = literal(getattr(value, name))
        if name in value.positional and field.is_required():
            arguments.append(text)
        elif field.is_required() or getattr(value, name) != field.default:
            arguments.append(f"{name}={text}")
    return f"{type(value).__name__}({', '.join(arguments)})"


def _spaced(sizes: tuple[int, ...]) -> str:
    return ", ".join(map(str, sizes))

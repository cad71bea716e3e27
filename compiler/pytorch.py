"""Graph to a Python file: one PyTorch module and, where the spec has one, its recipe."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from textwrap import indent, wrap

from jinja2 import Environment, StrictUndefined, Template

from alexc.compiler.arguments import Arguments
from alexc.compiler.diagnostics import list_in_words
from alexc.compiler.forward_pass import forward_lines
from alexc.compiler.graph import Graph, Node
from alexc.compiler.layers.kind import TorchFunction, TorchJoin, TorchLayer, TorchModule, TorchOperator
from alexc.compiler.net import Recipe
from alexc.compiler.parts import attribute_of
from alexc.compiler.python_text import LINE_LENGTH, call, import_sections, literal
from alexc.compiler.rendered_check import require_expected_form
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

    Raises:
        UnexpectedText: what was rendered is not what the compiler means to write; a defect of alexc.
    """
    nodes = graph.without_loss()
    layers = {node.layer.name: node.layer.kind.torch(node.given[0], node.output) for node in nodes}
    recipe = graph.net.recipe
    statements = {*_BASE_IMPORTS, *(each for layer in layers.values() for each in layer.imports)}
    statements |= {f"from {_INITIAL} import {name}" for name in _initial_names(nodes)}
    statements |= {f"from {_RECIPE} import {name}" for name in _recipe_names(recipe)}
    text = _template().render(
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
        head_lines=_head_lines(graph),
        forward_returns="Tensor | tuple[Tensor, ...]" if len(graph.heads) > 1 else "Tensor",
        forward_headline=_forward_headline(graph, nodes),
        forward_lines=forward_lines(graph, layers),
        recipe_lines=_recipe_lines(recipe),
    )
    require_expected_form(text, graph.net.name, statements, _calls(layers, nodes, recipe))
    return text


def _calls(layers: dict[str, TorchLayer], nodes: list[Node], recipe: Recipe | None) -> set[str]:
    """All that the file may call."""
    calls = {f"self.{attribute_of(name)}" for name in layers} | _initial_names(nodes) | _recipe_names(recipe)
    for layer in layers.values():
        match layer:
            case TorchModule(constructor, _, before):
                calls |= {constructor.function} | ({before.function} if before else set())
            case TorchFunction(made) | TorchJoin(made):
                calls.add(made.function)
            case TorchOperator():
                pass
    return calls


@cache
def _template() -> Template:
    text = files("alexc.compiler").joinpath("pytorch.py.jinja").read_text(encoding="utf-8")
    environment = Environment(  # noqa: S701 - the text is Python, which has no HTML to escape
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    return environment.from_string(text)


def _headline(graph: Graph) -> str:
    return f"{graph.net.name}: {graph.parameters:,} parameters, {graph.neurons:,} neurons."


def _class_lines(graph: Graph, nodes: list[Node]) -> list[str]:
    """The class's docstring: what goes in and out, and which layers see one tower only."""
    reads, makes = _spaced(graph.net.input.sizes), _spaced(nodes[-1].output.sizes)
    kind = "logits" if graph.heads else "outputs"
    headline = f"Images (N, {reads}) to {kind} (N, {makes}); comments give one image's shapes."
    apart = [row.layer for row in summary_rows(graph) if row.reads == "tower"]
    if not apart:
        return [f'    """{headline}"""']
    towers = f"Cut into {graph.net.towers} towers; in {list_in_words(apart)} a tower reads its own maps only."
    return [f'    """{headline}', "", *indent("\n".join(wrap(towers, LINE_LENGTH - 4)), "    ").split("\n"), '    """']


def _head_lines(graph: Graph) -> list[str]:
    """The attribute that tells the loss how much each of several heads counts."""
    if len(graph.heads) < 2:
        return []
    shares = ", ".join(literal(head.layer.kind.share_of_loss) for head in graph.heads)
    return [f"    head_shares: ClassVar[tuple[float, ...]] = ({shares})"]


def _forward_headline(graph: Graph, nodes: list[Node]) -> str:
    if not graph.heads:
        return f"What the last layer, {nodes[-1].layer.name}, makes of the images."
    if len(graph.heads) == 1:
        return "The logits of each class: the softmax belongs to the loss."
    others = list_in_words([head.layer.line for head in graph.heads[1:]])
    return f"The logits of each class; in training also those of {others}."


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
